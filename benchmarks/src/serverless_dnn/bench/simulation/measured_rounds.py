"""What this machine really did in each round, and what predicts it; pure."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from serverless_dnn.bench.analysis.joining import Request, Rows
from serverless_dnn.bench.load.samples import Experiment
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.simulation.behaviour import Behaviour
from serverless_dnn.bench.simulation.local_machine import local_behaviour
from serverless_dnn.bench.simulation.scaling import local_scaling
from serverless_dnn.bench.simulation.validation import Comparison, MeasuredRound, compare

_BehaviourIn = Callable[[int], Behaviour | None]


def compare_runs(
    platform: str, cold: RunData, warm: RunData, instances: int, cores: int, seed: int
) -> tuple[Comparison, ...]:
    """Predict what was measured of a platform, each round from what was measured around it.

    Args:
        platform: Its name, and the label of its configuration.
        cold: Requests one after another, cold starts, and bursts that found no instance.
        warm: Requests one after another, bursts and an open loop on warm instances.
        instances: How many instances there were at most.
        cores: How many cores everything shared.
        seed: Of everything random.

    Returns:
        The comparisons.

    Raises:
        OptionError: The platform did not tell how long its requests took.
        ValueError: Nothing was measured.
    """
    scaling = local_scaling(instances)
    measured = _Rounds(platform, warm)
    bursts = list(measured.of("burst", measured.one_after_another))
    loop = list(measured.of("open", measured.one_after_another))
    loaded = list(measured.of("open", measured.under_the_same_load))
    on_none = _Rounds(platform, cold)
    starts = list(on_none.of("burst", on_none.one_after_another))
    return (
        *compare("burst", "closed", bursts, scaling, cores, warm_instances=instances, seed=seed),
        *compare("open", "closed", loop, scaling, cores, warm_instances=instances, seed=seed),
        *compare("open", "loaded", loaded, scaling, cores, warm_instances=instances, seed=seed),
        *compare("cold", "closed", starts, scaling, cores, seed=seed),
    )


class _Rounds:
    """A run's rounds, and what predicts each."""

    def __init__(self, label: str, data: RunData) -> None:
        self._label = label
        rows = Rows(data)
        experiments: tuple[Experiment, ...] = ("closed", "open", "burst", "cold")
        self._by_round = {each: _by_round(rows.counted_requests(label, each)) for each in experiments}
        self._cold = [each for requests in self._by_round["cold"].values() for each in requests]

    def of(self, experiment: Experiment, behaviour_in: _BehaviourIn) -> Iterator[MeasuredRound]:
        """The rounds of a load."""
        for number, requests in self._by_round[experiment].items():
            behaviour = behaviour_in(number)
            if behaviour is None:
                continue
            samples = sorted((each.sample for each in requests), key=lambda sample: sample.scheduled_ns)
            yield MeasuredRound(
                np.array([sample.scheduled_ns for sample in samples]) / 1e9,
                [sample.latency_ns / 1e6 for sample in samples],
                behaviour,
            )

    def one_after_another(self, number: int) -> Behaviour | None:
        """From the requests one after another of the same round."""
        alone = self._by_round["closed"].get(number)
        return local_behaviour(self._label, alone, self._cold, alone) if alone else None

    def under_the_same_load(self, number: int) -> Behaviour | None:
        """From the open loop of the round beside it."""
        beside, alone = self._by_round["open"].get(number ^ 1), self._by_round["closed"].get(number)
        return local_behaviour(self._label, beside, self._cold, alone) if beside and alone else None


def _by_round(requests: Sequence[Request]) -> dict[int, list[Request]]:
    rounds: dict[int, list[Request]] = {}
    for each in requests:
        rounds.setdefault(each.sample.round, []).append(each)
    return rounds
