"""Q3: more instances, or more cores in each."""

from dataclasses import dataclass

import psutil

from serverless_dnn.bench.analysis.claims import Claim, Condition, Relation, decide
from serverless_dnn.bench.analysis.estimates import paired_ratio
from serverless_dnn.bench.analysis.joining import Request
from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.experiments.paper.evidence import Evidence, Quantity, end_to_end, processing
from serverless_dnn.bench.experiments.paper.options import ALL_MODELS, TEXT
from serverless_dnn.bench.experiments.paper.rerun import PaperExperiment, Rerun
from serverless_dnn.bench.experiments.paper.session import Session
from serverless_dnn.bench.experiments.paper.shown import title_of, with_interval
from serverless_dnn.bench.report.colors import PHASES
from serverless_dnn.bench.report.paper_results import ExperimentResult, Figure, Mark, Panel, Row, Table
from serverless_dnn.bench.report.wording import number

NAME = "q3"
REQUESTS = 48
"""The paper's burst."""
# The paper's first: what all instances need together must be free.
_MEMORIES_MB = (8192, 4096, 3072, 2048)
_FREE_MB = 1536
_LEAST_CORES = 2


@dataclass(frozen=True)
class Shape:
    """How cores are divided.

    Attributes:
        instances: How many instances.
        cores: How many cores each has.
        concurrency: How many requests each takes at a time.
    """

    instances: int
    cores: int
    concurrency: int = 1

    @property
    def label(self) -> str:
        """Such as ``2 x 1``."""
        together = f", {self.concurrency} at a time" if self.concurrency > 1 else ""
        return f"{self.instances} x {self.cores}{together}"

    @property
    def requests_per_core(self) -> float:
        """How many requests of the burst come to a core."""
        return REQUESTS / (self.instances * self.cores)


ONE, CORES, INSTANCES = Shape(1, 1), Shape(1, 2), Shape(2, 1)
SHAPES = (ONE, CORES, INSTANCES, Shape(1, 2, 2))
_QUEUE = Claim(
    "q3.queue",
    "With more requests per core the processing time stays, and end to end grows by the queue",
    "1 x 1 / 2 x 1 is about 1 for the median processing time and above 1 for the median end to end, for each model",
)
_INSTANCES = Claim(
    "q3.instances",
    "At equal instances x cores, more instances beat more cores",
    "the median end to end of 1 x 2 / 2 x 1 is above 1, for each model",
)
_COST = Claim(
    "q3.cost",
    "At equal instances x cores, more instances are more cost-effective",
    "the vCPU seconds until the last answer (instances x cores x time) of 1 x 2 / 2 x 1 are above 1, for each model; "
    "memory, of which two instances have twice as much, is not in it",
)
_PARTS = ("waiting", "processing", "network and platform")
_COLORS = {
    "waiting": PHASES["wait for an instance"][0],
    "processing": PHASES["compute"][0],
    "network and platform": PHASES["network and platform"][0],
}


def waiting(request: Request) -> int | None:
    """The wait for an instance and, inside it, for the engine."""
    if request.invocation is None:
        return None
    return request.invocation.begin_ns - request.invocation.arrival_ns + (request.sample.server_queue_ns or 0)


def _configuration(shape: Shape, memory_mb: int) -> Configuration:
    # Not by `Platform.cpus_of`: today's Cloud Run wants 2 vCPUs for the paper's 8 GB, which had 1 as well.
    return Configuration(
        label=shape.label,
        deployment=shape.label,
        platform="cloudrun",
        memory_mb=memory_mb,
        cpus=float(shape.cores),
        instances=shape.instances,
        requests_per_instance=shape.concurrency,
        engine="tensorflow",
        is_pinned=True,
    )


def _measure(session: Session) -> None:
    if session.cores < _LEAST_CORES:
        session.note(f"{session.cores} core cannot be divided: it takes {_LEAST_CORES}")
        return
    instances = sum(shape.instances for shape in SHAPES)
    free_mb = (psutil.virtual_memory().available >> 20) - _FREE_MB
    memory_mb = next((each for each in _MEMORIES_MB if each * instances <= free_mb), _MEMORIES_MB[-1])
    configurations = tuple(_configuration(shape, memory_mb) for shape in SHAPES)
    for model in session.options.models_of(NAME):
        # A burst to BERT takes half a minute on a single core.
        rounds = 3 if session.options.quick or model == TEXT else 8
        workload = session.options.workload(model, requests=0, burst=REQUESTS, rounds=rounds)
        session.run(NAME, model, model, workload, configurations=configurations)


def _result(rerun: Rerun) -> ExperimentResult:
    memories = {
        each.configuration.memory_mb
        for evidence in rerun.of(NAME).values()
        for each in evidence.data.run.configurations
    }
    memory = ", ".join(f"{each:,} MB" for each in sorted(filter(None, memories))) or "as much memory as is free"
    return ExperimentResult(
        name=NAME,
        title=EXPERIMENT.title,
        question=f"More instances, or more cores? ({REQUESTS} requests at once, 8 GB of memory)",
        differences=(
            f"Instances have {memory}: all of them must fit on this machine together. None uses more.",
            (
                f"Of this machine's {rerun.record.machine.get('cores')} cores each instance has its own (CPU sets), "
                "and the load generator and the front door share them."
            ),
            "Requests beyond the instances wait, as on Cloud Run; its limit of the wait is not applied here.",
        ),
        decisions=(
            decide(_QUEUE, _queue(rerun)),
            decide(_INSTANCES, _instances(rerun)),
            decide(_COST, _cost(rerun)),
        ),
        tables=(_table(rerun),),
        figure=_figure(rerun),
    )


def _queue(rerun: Rerun) -> list[Condition]:
    tests: tuple[tuple[str, Relation, Quantity], ...] = (
        ("processing", "about", processing),
        ("end to end", "above", end_to_end),
    )
    return [
        _condition(rerun, model, f"{title_of(model)}, {what}: 1 x 1 / 2 x 1", relation, ONE, quantity)
        for model in ALL_MODELS
        for what, relation, quantity in tests
    ]


def _instances(rerun: Rerun) -> list[Condition]:
    return [
        _condition(rerun, model, f"{title_of(model)}, end to end: 1 x 2 / 2 x 1", "above", CORES, end_to_end)
        for model in ALL_MODELS
    ]


def _cost(rerun: Rerun) -> list[Condition]:
    return [
        rerun.condition(
            f"{title_of(model)}, vCPU seconds: 1 x 2 / 2 x 1",
            "above",
            1.0,
            experiment=NAME,
            run=model,
            labels=(CORES.label, INSTANCES.label),
            # Both have two vCPUs, until their last answer.
            value=lambda evidence: paired_ratio(_lasts_ms(evidence, CORES.label), _lasts_ms(evidence, INSTANCES.label)),
        )
        for model in ALL_MODELS
    ]


def _condition(rerun: Rerun, model: str, what: str, relation: Relation, shape: Shape, quantity: Quantity) -> Condition:
    labels = shape.label, INSTANCES.label
    return rerun.condition(
        what,
        relation,
        1.0,
        experiment=NAME,
        run=model,
        labels=labels,
        value=lambda evidence: evidence.ratio(*labels, quantity, "burst"),
    )


def _models(rerun: Rerun) -> list[str]:
    return [model for model in ALL_MODELS if model in rerun.of(NAME)]


def _lasts_ms(evidence: Evidence, label: str) -> dict[int, list[float]]:
    """When the last request of each burst was answered."""
    return {each: [max(values)] for each, values in evidence.rounds(label, end_to_end, "burst").items()}


def _last_ms(evidence: Evidence, label: str) -> str:
    lasts = [value for values in _lasts_ms(evidence, label).values() for value in values]
    return number(sum(lasts) / len(lasts)) if lasts else number(None)


def _table(rerun: Rerun) -> Table:
    rows = []
    for model in _models(rerun):
        evidence = rerun.of(NAME)[model]
        for shape in SHAPES:
            medians = (evidence.median(shape.label, each, "burst") for each in (processing, waiting, end_to_end))
            rows.append(
                (
                    title_of(model),
                    shape.label,
                    f"{shape.requests_per_core:g}",
                    *map(with_interval, medians),
                    _last_ms(evidence, shape.label),
                )
            )
    header = (
        "model", "instances x cores", "requests per core", "processing p50 ms", "waiting p50 ms", "end to end p50 ms",
        f"last of {REQUESTS}, mean ms",
    )  # fmt: skip
    return Table(f"{REQUESTS} requests at once, medians with 95 % intervals", header, tuple(rows))


def _figure(rerun: Rerun) -> Figure | None:
    panels = []
    for model in _models(rerun):
        evidence = rerun.of(NAME)[model]
        rows = []
        for shape in SHAPES:
            means = [_mean_ms(evidence, shape.label, each) for each in (waiting, processing, end_to_end)]
            known = [each for each in means if each is not None]
            if len(known) == len(means):
                widths = known[0], known[1], max(0.0, known[2] - known[0] - known[1])
                marks = tuple(Mark(name, width) for name, width in zip(_PARTS, widths, strict=True))
                rows.append(Row(shape.label, marks, f"{number(known[2])} ms"))
        if rows:
            panels.append(Panel(title_of(model), "ms", tuple(rows)))
    if not panels:
        return None
    note = f"Instances x cores; {REQUESTS} requests at once. Means, which add up to the mean end to end."
    return Figure("More instances, or more cores", note, tuple(panels), _COLORS)


def _mean_ms(evidence: Evidence, label: str, quantity: Quantity) -> float | None:
    values = [value for each in evidence.rounds(label, quantity, "burst").values() for value in each]
    return sum(values) / len(values) if values else None


EXPERIMENT = PaperExperiment(NAME, "Instances against cores", _measure, _result)
