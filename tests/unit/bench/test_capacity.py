"""How much load is carried is claimed as far as the requests that were sent show it, and no further."""

from collections.abc import Callable

import numpy as np
import pytest
from analysis_runs import MS, sample

from serverless_dnn.bench.analysis.carried_load import carried_load
from serverless_dnn.bench.analysis.probes import Probe, judge_probe
from serverless_dnn.bench.experiments.capacity import Prober, try_capacity
from serverless_dnn.bench.experiments.options import Capacity
from serverless_dnn.bench.load.generator import Call, StepResult
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.load.steps import ClosedLoop, OpenLoop, Step


class _Queue:
    """A server that answers one request at a time, each in so long, in virtual time."""

    def __init__(self, service_ms: float) -> None:
        self._service_ns = round(service_ms * MS)

    def add(self, label: str, call: Call) -> None:
        """It is called in one way."""

    def run(self, step: Step, on_sample: Callable[[], None] | None = None) -> StepResult:
        """Answer a step's requests."""
        rows = self._open(step.load) if isinstance(step.load, OpenLoop) else self._closed(step.load)
        samples = [
            Sample(step.configuration, step.experiment, step.round, step.first_index + index, due, due, end - due, "OK")
            for index, (due, end) in enumerate(rows)
        ]
        return StepResult(samples, None, max(end for _, end in rows), 0)

    def close(self) -> None:
        """Nothing was started."""

    def _open(self, load: OpenLoop) -> list[tuple[int, int]]:
        free, rows = 0, []
        for due in load.arrivals_ns:
            free = max(free, due) + self._service_ns
            rows.append((due, free))
        return rows

    def _closed(self, load: ClosedLoop) -> list[tuple[int, int]]:
        rows: list[tuple[int, int]] = []
        while load.requests is None or len(rows) < load.requests:
            number = len(rows)
            due = 0 if number < load.concurrency else rows[number - load.concurrency][1]
            if load.duration_s is not None and due >= load.duration_s * 1e9:
                break
            rows.append((due, (number + 1) * self._service_ns))
        return rows


def _prober(queue: _Queue, quantity: str, slo_p99_ms: float | None, kept: list[Sample] | None = None) -> Prober:
    return Prober(queue, "a", quantity, 10.0, slo_p99_ms, 7, (kept if kept is not None else []).extend)  # type: ignore[arg-type]


def _probe(value: float, keeps: bool | None, *, requests: int = 500, offered: float | None = None) -> Probe:
    return Probe("a", "rate", value, requests, 0, value, 10.0, 20.0, keeps, offered)


def _samples(latencies_ms: list[float]) -> list[Sample]:
    return [sample("a", "open", index=index, ms=ms) for index, ms in enumerate(latencies_ms)]


def test_a_p99_is_judged_only_where_the_count_carries_it() -> None:
    few = judge_probe("a", "rate", 1.0, _samples([10.0] * 367), 10**9, 50.0)
    many = judge_probe("a", "rate", 1.0, _samples([10.0] * 368), 10**9, 50.0)

    assert (few.p50_ms, few.p99_ms, few.keeps_objective) == (10, None, None)
    assert (many.p99_ms, many.keeps_objective) == (10, True)
    assert judge_probe("a", "rate", 1.0, _samples([10.0] * 368), 10**9, None).keeps_objective is None


def test_an_amount_keeps_the_objective_by_its_whole_interval() -> None:
    """Of 1,000 values, the 983rd and the 997th enclose the p99."""
    spread = list(np.linspace(1.0, 100.0, 1000))

    def keeps(slo_p99_ms: float, samples: list[Sample] | None = None) -> bool | None:
        return judge_probe("a", "rate", 1.0, samples or _samples(spread), 10**9, slo_p99_ms).keeps_objective

    assert [keeps(slo) for slo in (99.9, 99.0, 97.0)] == [True, None, False]
    assert keeps(99.9, [*_samples(spread), sample("a", "open", index=2000, status="UNAVAILABLE")]) is False


@pytest.mark.parametrize(("service_ms", "slo_p99_ms"), [(5.0, 100.0), (100.0, 1000.0)])
def test_a_search_sends_enough_to_decide(service_ms: float, slo_p99_ms: float) -> None:
    """One server of 100 ms carries a bit less than 10 requests/s: ten seconds of those hold no p99."""
    kept: list[Sample] = []

    probes = try_capacity(_prober(_Queue(service_ms), "rate", slo_p99_ms, kept), Capacity("rate"))

    most = max(probe.value for probe in probes if probe.keeps_objective)
    assert 0.5 * 1000 / service_ms < most < 1000 / service_ms
    assert all(probe.p99_ms is not None for probe in probes)
    assert len(kept) == sum(probe.requests for probe in probes)
    assert all(probe.offered_rate == pytest.approx(probe.value, rel=0.2) for probe in probes)


def test_a_search_among_concurrencies_sends_enough_to_decide() -> None:
    """One server of 100 ms answers 100 requests in ten seconds; with five in flight, each takes half a second."""
    kept: list[Sample] = []

    probes = try_capacity(_prober(_Queue(100.0), "concurrency", 550.0, kept), Capacity("concurrency"))

    assert max(probe.value for probe in probes if probe.keeps_objective) == 5
    assert all(probe.requests >= 460 for probe in probes)
    assert all(probe.answered_rate == pytest.approx(10, rel=0.05) for probe in probes)
    first = [each.index for each in kept if each.round == 0]
    assert first == list(range(len(first)))


def test_given_amounts_take_as_long_as_was_asked_for() -> None:
    probes = try_capacity(_prober(_Queue(1.0), "rate", 100.0), Capacity("rate", (4.0, 400.0)))

    assert [probe.keeps_objective for probe in probes] == [None, True]
    assert probes[0].requests == pytest.approx(40, abs=20)
    assert probes[0].offered_rate == pytest.approx(probes[0].requests / 10)


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        (
            [_probe(10, True), _probe(20, True, offered=19.2), _probe(40, False)],
            "a keeps p99 within 50 ms with up to 19.2 requests/s, and misses it with 40 requests/s.",
        ),
        (
            [_probe(20, True), _probe(40, True)],
            "a keeps p99 within 50 ms with at least 40 requests/s, the most that was tried.",
        ),
        (
            [_probe(20, True), _probe(40, None)],
            "a keeps p99 within 50 ms with at least 20 requests/s, beyond which it cannot be told.",
        ),
        (
            [_probe(10, True), _probe(20, False), _probe(40, True)],
            "a keeps p99 within 50 ms with up to 10 requests/s, and misses it with 20 requests/s.",
        ),
        (
            [_probe(20, False), _probe(40, False)],
            "a does not keep p99 within 50 ms even with 20 requests/s, the least that was tried.",
        ),
        (
            [_probe(1, None, requests=10), _probe(40, False)],
            (
                "a misses p99 within 50 ms with 40 requests/s; below that it cannot be told: a p99 takes 368 requests at "
                "each amount, so raise --duration-s."
            ),
        ),
        ([_probe(40, None)], "It cannot be told whether a keeps p99 within 50 ms."),
        ([], "No amount of load was tried to its end."),
    ],
)
def test_what_is_said(probes: list[Probe], expected: str) -> None:
    assert carried_load(probes, 50.0) == expected


def test_without_an_objective_the_most_that_was_answered_is_said() -> None:
    assert carried_load([_probe(10, None), _probe(40, None)], None) == (
        "a answered at most 40 requests/s, when sent 40 requests/s."
    )
