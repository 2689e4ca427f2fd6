"""What the runs of an experiment say: measurements by round, and ratios between them; pure."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from serverless_dnn.bench.analysis.estimates import Rounds, estimate, paired_ratio, round_percentiles
from serverless_dnn.bench.analysis.joining import Request, Rows
from serverless_dnn.bench.analysis.results import Estimate
from serverless_dnn.bench.analysis.statistics import geometric_mean, welch_ratio_interval
from serverless_dnn.bench.configuration import MeasuredConfiguration
from serverless_dnn.bench.load.samples import Experiment
from serverless_dnn.bench.recorded_run import RunData

Quantity = Callable[[Request], int | None]


def end_to_end(request: Request) -> int | None:
    """From when a request is due until its output is decoded."""
    return request.sample.latency_ns


def processing(request: Request) -> int | None:
    """The paper's processing time: what the server took, from arrival to response, without its queue."""
    total = request.sample.server_total_ns
    return None if total is None else total - (request.sample.server_queue_ns or 0)


def compute(request: Request) -> int | None:
    """One call of the model's signature."""
    return request.sample.server_compute_ns


class Evidence:
    """A run, and what it says of its configurations.

    Args:
        data: The run.

    Attributes:
        data: The run.
    """

    def __init__(self, data: RunData) -> None:
        self.data = data

    @cached_property
    def rows(self) -> Rows:
        """The rows."""
        return Rows(self.data)

    @property
    def labels(self) -> list[str]:
        """The configurations, in order."""
        return [each.label for each in self.data.run.configurations]

    def measured(self, label: str) -> MeasuredConfiguration | None:
        """A configuration with its facts; ``None`` if the run has none of that name."""
        return next((each for each in self.data.run.configurations if each.label == label), None)

    def requests(self, label: str, experiment: Experiment = "closed") -> list[Request]:
        """The counted requests, without the first of several cold starts, which reads the server's files from disk.

        Args:
            label: The configuration.
            experiment: In which experiment.
        """
        requests = self.rows.counted_requests(label, experiment)
        later = [each for each in requests if each.sample.round > 0]
        return later if experiment == "cold" and later else requests

    def rounds(self, label: str, quantity: Quantity, experiment: Experiment = "closed") -> Rounds:
        """A quantity of the counted requests.

        Args:
            label: The configuration.
            quantity: What of them.
            experiment: In which experiment.

        Returns:
            Milliseconds by round; empty if any request does not report it.
        """
        rounds: dict[int, list[float]] = {}
        for request in self.requests(label, experiment):
            if (value_ns := quantity(request)) is None:
                return {}
            rounds.setdefault(request.sample.round, []).append(value_ns / 1e6)
        return rounds

    def median(self, label: str, quantity: Quantity, experiment: Experiment = "closed") -> Estimate | None:
        """The median of a quantity; see ``rounds``."""
        return estimate(self.rounds(label, quantity, experiment), 50)

    def ratio(
        self, label: str, baseline: str, quantity: Quantity, experiment: Experiment = "closed"
    ) -> Estimate | None:
        """How many times as large a median is as a baseline's, by the same rounds; see ``rounds``."""
        return paired_ratio(self.rounds(label, quantity, experiment), self.rounds(baseline, quantity, experiment))

    def missing(self, *labels: str) -> str:
        """Why configurations cannot be used; empty if they can.

        Args:
            labels: The configurations.
        """
        if absent := [label for label in labels if self.measured(label) is None]:
            return f"{absent[0]} was not measured"
        for finding in self.data.run.findings:
            if finding.severity == "invalid" and finding.configuration in (None, *labels):
                return f"the run is invalid ({finding.code})"
        return ""


def evidence_of(runs: Mapping[str, RunData]) -> dict[str, Evidence]:
    """What each run says.

    Args:
        runs: The runs by name.
    """
    return {name: Evidence(data) for name, data in runs.items()}


def round_ratios(rounds: Rounds, baseline: Rounds) -> list[float]:
    """The ratio of the medians of each common round.

    Args:
        rounds: Measurements by round.
        baseline: Those of the baseline.
    """
    ours, theirs = round_percentiles(rounds, 50), round_percentiles(baseline, 50)
    return [ours[each] / theirs[each] for each in ours if theirs.get(each)]


def ratio_of(before: Sequence[float], after: Sequence[float]) -> Estimate | None:
    """How many times as large other values are, by Welch's interval.

    Args:
        before: One value a round.
        after: Others, from other rounds.

    Returns:
        The ratio of the geometric means; ``None`` without values, or with one that is not above 0.
    """
    if not before or not after or min(*before, *after) <= 0:
        return None
    value = geometric_mean(after) / geometric_mean(before)
    return Estimate(value, welch_ratio_interval(before, after), min(len(before), len(after)))
