"""Every option of a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serverless_dnn.bench.configuration import Configuration, Quantity

MADE_ARRIVALS = ("poisson", "constant")
"""The arrivals of an open loop that are made; any other name is a file's."""


@dataclass(frozen=True)
class Workload:
    """What is sent, and how often.

    Attributes:
        requests: Requests per configuration, one after another; 0 leaves them out.
        concurrency: How many of them are in flight at a time.
        burst: Requests at the same instant, in each round; 0 leaves bursts out.
        rate: Requests a second of the open loop; ``None`` leaves it out, unless a file has the intervals.
        arrivals: How they arrive: ``poisson``, ``constant``, or a file of intervals in seconds, which has the rate and
            the duration in it.
        duration_s: How long the open loop lasts, over all rounds.
        cold_starts: Forced cold starts per configuration.
        rounds: In how many rounds all of that is done, the configurations taking turns in each.
        precision: Go on until the interval of the median is narrower than this share of it; ``None`` stops by count.
        max_time_s: Begin no round after so long; ``None`` sets no limit.
        seed: Of everything random.
        burst_rounds: In how many of the rounds there is a burst; ``None`` has one in each.
        is_burst_cold: Whether each burst finds no instance, instead of warm ones.
        warm_up_requests: How many requests, one after another, warm instances up; ``None`` goes on until latencies
            have settled, and 0 warms nothing up.
    """

    requests: int = 400
    concurrency: int = 1
    burst: int = 40
    rate: float | None = None
    arrivals: str = "poisson"
    duration_s: float = 30.0
    cold_starts: int = 6
    rounds: int = 10
    precision: float | None = None
    max_time_s: float | None = None
    seed: int = 0
    burst_rounds: int | None = None
    is_burst_cold: bool = False
    warm_up_requests: int | None = None

    @property
    def arrivals_file(self) -> Path | None:
        """The file of recorded intervals; ``None`` if arrivals are made."""
        return None if self.arrivals in MADE_ARRIVALS else Path(self.arrivals)

    @property
    def bursts(self) -> int:
        """How many bursts there are."""
        if not self.burst:
            return 0
        return self.rounds if self.burst_rounds is None else min(self.burst_rounds, self.rounds)


@dataclass(frozen=True)
class Capacity:
    """The amounts of load that are tried.

    Attributes:
        quantity: What is varied.
        values: The amounts to try, in order; empty searches for the highest that keeps the objective.
        first: Where a search begins.
        duration_s: How long each amount is tried.
    """

    quantity: Quantity = "rate"
    values: tuple[float, ...] = ()
    first: float = 1.0
    duration_s: float = 10.0


@dataclass(frozen=True)
class RunOptions:
    """Every option of a run.

    Attributes:
        targets: Platforms' names, or URLs.
        configurations: What to measure in place of what follows from the targets and sizes.
        workload: What is sent, and how often.
        capacity: What is tried instead of the rounds; ``None`` runs the rounds.
        model: The model's name.
        model_path: The user's own SavedModel; ``None`` uses the paper's model of that name.
        input: A photograph or an npz file to send; ``None`` sends the model's sample.
        engines: The engines to compare.
        memories_mb: The memory sizes to compare; empty uses each platform's default.
        cpus: vCPUs of an instance where they can be chosen; ``None`` takes the fewest that its memory needs.
        instances: The most instances of a deployment; ``None`` takes as many as fit the cores.
        requests_per_instance: How many requests an instance takes at a time, where that can be chosen.
        body_format: How requests are encoded; ``None`` takes the same where platforms allow it.
        with_json: Whether what JSON costs is measured beside.
        with_empty_cache: Whether cold starts that have to compile the model are measured beside.
        with_floor: Whether a null server shows what each front door takes.
        by_url: Whether tensors that are too large for a local platform go by pre-signed URLs, of an object store on
            this machine.
        link: A network in front of local platforms, such as ``latency=20ms,down=100Mbit,up=20Mbit``; empty for none.
        throttle: Whether requests beyond the instances are refused instead of waiting.
        idle_timeout_s: How long an idle instance is kept; ``None`` keeps it.
        generators: How many processes generate load.
        ray_address: A Ray cluster whose nodes generate load; ``None`` generates it here.
        slo_p99_ms: The objective that the answer is to meet.
        prices: The user's own price table; ``None`` uses ours.
        models_dir: Holds one folder per exported model, and their compiled caches.
        runs_dir: Holds one folder per run.
    """

    targets: tuple[str, ...]
    workload: Workload = Workload()
    capacity: Capacity | None = None
    model: str = "mobilenet_v1"
    model_path: Path | None = None
    input: Path | None = None
    engines: tuple[str, ...] = ("auto",)
    memories_mb: tuple[int, ...] = ()
    cpus: float | None = None
    instances: int | None = None
    requests_per_instance: int | None = None
    body_format: str | None = None
    with_json: bool = True
    with_empty_cache: bool = True
    with_floor: bool = True
    by_url: bool = False
    link: str = ""
    throttle: bool = False
    idle_timeout_s: float | None = None
    generators: int = 1
    ray_address: str | None = None
    slo_p99_ms: float | None = None
    prices: Path | None = None
    models_dir: Path = Path(".cache/models")
    runs_dir: Path = Path("runs")
    configurations: tuple[Configuration, ...] = ()

    def to_document(self) -> Mapping[str, Any]:
        """Every option as JSON can hold it."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}
