"""A summary holds what the rows say: parts that add up, failures apart, and nothing that was not measured."""

from dataclasses import replace

import pytest
from analysis_runs import MS, instance, invocation, measured, rounds, run_data, sample
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.bench.analysis.results import COLD_PHASES, REQUEST_PARTS, WarmSummary
from serverless_dnn.bench.analysis.summary import summarize
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.recorded_run import RecordedInvocation, RecordedStep

_PHASES = {
    "encode_ns": 1 * MS,
    "decode_ns": 2 * MS,
    "server_decode_ns": 1 * MS,
    "server_queue_ns": 1 * MS,
    "server_compute_ns": 5 * MS,
    "server_encode_ns": 1 * MS,
    "server_total_ns": 9 * MS,
}


def _warm(samples: list[Sample], invocations: list[RecordedInvocation] | None = None) -> WarmSummary:
    return summarize(run_data([measured()], samples, invocations or ())).of("lambda").warm["closed"]


def test_the_parts_of_a_request_add_up_to_it() -> None:
    samples = [
        sample(index=0, ms=20, **_PHASES),
        sample(index=1, ms=30, **_PHASES),
        *(sample(experiment="floor", index=index, ms=ms) for index, ms in enumerate((2, 3, 99))),
    ]
    invocations = [
        invocation(begin_ms=3, end_ms=19, arrival_ns=1 * MS),
        invocation(begin_ms=24, end_ms=49, arrival_ns=20 * MS),
    ]

    row = _warm(samples, invocations)

    assert list(row.parts_ms) == list(REQUEST_PARTS)
    assert row.parts_ms == pytest.approx(
        {
            "client encode": 1,
            "network and platform": 25 - 11 - 3 - 3,
            "front-door floor": 3,
            "wait for an instance": 3,
            "server decode": 1,
            "queue": 1,
            "compute": 5,
            "server encode": 1,
            "client decode": 2,
        }
    )
    assert sum(row.parts_ms.values()) == pytest.approx(row.mean_ms) == 25


def test_a_floor_is_no_more_than_what_there_is() -> None:
    samples = [sample(ms=12, **_PHASES), sample(experiment="floor", ms=50)]

    parts = _warm(samples).parts_ms

    assert parts["front-door floor"] == pytest.approx(1)
    assert parts["network and platform"] == pytest.approx(0)


def test_parts_that_are_not_reported_are_absent() -> None:
    row = _warm([sample(index=0, **_PHASES), sample(index=1)])

    assert row.parts_ms == {"network and platform": 10}
    assert row.compute_ms is None
    assert row.server_ms is None


def test_failures_and_wrong_kinds_are_counted_apart_from_latencies() -> None:
    samples = [
        *(sample(index=index, ms=10) for index in range(8)),
        sample(index=8, ms=9000, status="UNAVAILABLE"),
        sample(index=9, ms=9000, set_apart="an instance's first answer"),
    ]

    row = _warm(samples)

    assert row.requests == 10
    assert row.failures == {"UNAVAILABLE": 1}
    assert row.set_apart == {"an instance's first answer": 1}
    assert row.percentiles_ms[50].value == row.mean_ms == 10
    assert row.percentiles_ms[50].count == 8
    # No eight values carry a higher percentile.
    assert list(row.percentiles_ms) == [50]


def test_without_an_answer_there_are_no_numbers() -> None:
    summary = summarize(run_data([measured()], [sample(status="UNAVAILABLE")]))
    row = summary.of("lambda").warm["closed"]

    assert (row.mean_ms, row.rate, row.parts_ms, row.percentiles_ms) == (None, None, {}, {})
    assert summary.of("lambda").cold is None
    assert "nothing to compare" in summary.answer
    assert summarize(run_data([measured()])).of("lambda").warm == {}


def test_percentiles_come_as_far_as_the_count_carries_them() -> None:
    assert list(_warm(rounds("lambda", [10, 10, 10], count=30)).percentiles_ms) == [50, 90, 95]
    assert list(_warm(rounds("lambda", [10, 10, 10], count=130)).percentiles_ms) == [50, 90, 95, 99]


def test_the_rate_is_of_answers_over_whole_rounds() -> None:
    """Two rounds of two: the last answers come 100 and 300 ms after the rounds began."""
    samples = [
        sample(number=0, index=0, ms=50),
        sample(number=0, index=1, ms=50, scheduled_ns=50 * MS),
        sample(number=1, index=0, ms=100),
        sample(number=1, index=1, ms=200, scheduled_ns=100 * MS),
    ]

    assert _warm(samples).rate == pytest.approx(4 / 0.4)


def test_stability_is_of_the_last_rounds() -> None:
    assert _warm(rounds("lambda", [30, 10, 10, 10.5])).is_stable is True
    assert _warm(rounds("lambda", [10, 10, 13])).is_stable is False
    assert _warm(rounds("lambda", [10, 13])).is_stable is None


_COLD = {
    "cold": True,
    "cold_ns": 700 * MS,
    "cold_interpreter_ns": 30 * MS,
    "cold_import_ns": 100 * MS,
    "cold_engine_ns": 200 * MS,
    "cold_load_ns": 300 * MS,
    "cold_warmup_ns": 40 * MS,
    "server_compute_ns": 50 * MS,
}


def test_the_phases_of_a_cold_start_add_up_to_it() -> None:
    data = run_data(
        [measured()],
        [sample(experiment="cold", ms=800, **_COLD)],
        [invocation(experiment="cold", begin_ms=1710, end_ms=1790, arrival_ns=1000 * MS, instance="new")],
        [instance(instance="old", spawned_ns=0), instance(instance="new", spawned_ns=1005 * MS)],
    )

    cold = summarize(data).of("lambda").cold

    assert cold is not None
    assert list(cold.phases_ms) == list(COLD_PHASES)
    assert list(cold.phases_ms.values()) == pytest.approx([5, 30, 100, 200, 300, 40, 30, 50, 45])
    assert cold.totals_ms == (800,)
    assert cold.total_ms is not None
    assert cold.total_ms.interval is None


def test_cold_phases_that_overlap_are_shown_as_they_are() -> None:
    row = sample(experiment="cold", ms=755, **{**_COLD, "cold_import_ns": 150 * MS})

    cold = summarize(run_data([measured()], [row])).of("lambda").cold

    assert cold is not None
    assert "platform start" not in cold.phases_ms
    assert cold.phases_ms["other start"] == pytest.approx(-20)
    assert sum(cold.phases_ms.values()) == pytest.approx(755)


@given(st.lists(st.tuples(st.integers(1, 10**10), *[st.none() | st.integers(0, 10**9)] * 4), min_size=1, max_size=8))
def test_cold_phases_always_add_up(rows: list[tuple[int, ...]]) -> None:
    samples = [
        sample(
            experiment="cold", number=number, latency_ns=latency, cold=True,
            cold_ns=cold, cold_load_ns=load, cold_import_ns=imports, server_compute_ns=compute,
        )
        for number, (latency, cold, load, imports, compute) in enumerate(rows)
    ]  # fmt: skip

    cold = summarize(run_data([measured()], samples)).of("lambda").cold

    assert cold is not None
    assert sum(cold.phases_ms.values()) == pytest.approx(sum(cold.totals_ms) / len(rows), abs=1e-6)
    assert set(cold.phases_ms) <= set(COLD_PHASES)


def test_a_cold_start_of_the_wrong_kind_counts_unless_it_was_replaced() -> None:
    samples = [
        sample(experiment="cold", number=0, ms=5, set_apart="not a cold start"),
        sample(experiment="cold", number=0, ms=900, cold=True),
        sample(experiment="cold", number=1, ms=5, set_apart="not a cold start"),
        sample(experiment="cold", number=2, ms=5, status="UNAVAILABLE"),
    ]

    cold = summarize(run_data([measured()], samples)).of("lambda").cold

    assert cold is not None
    assert (cold.starts, cold.totals_ms) == (3, (900,))
    assert cold.failures == {"not a cold start": 1, "UNAVAILABLE": 1}


def test_ratios_are_to_the_fastest_and_cover_the_rounds() -> None:
    of = [measured("a"), measured("b"), measured("c", role="beside")]
    factors = [1.0, 1.3, 0.8, 1.1]
    samples = [
        *rounds("a", [20 * factor for factor in factors]),
        *rounds("b", [10 * factor for factor in factors]),
        *rounds("c", [1.0] * 4),
    ]

    [ratio] = summarize(run_data(of, samples)).ratios

    assert (ratio.label, ratio.baseline, ratio.experiment, ratio.percent) == ("a", "b", "closed", 50)
    assert ratio.estimate.value == pytest.approx(2)
    assert ratio.estimate.interval is not None
    # Rounds differ by 60 %, and their ratios not at all.
    assert (ratio.estimate.interval.low, ratio.estimate.interval.high) == (pytest.approx(2), pytest.approx(2))


def test_memory_and_connections() -> None:
    data = run_data(
        [measured()],
        [sample(experiment="connect", index=index, ms=ms) for index, ms in enumerate((1, 2, 30))],
        [invocation(max_memory_mb=300)],
        [instance(max_memory_mb=250), instance("other", max_memory_mb=999)],
    )

    row = summarize(data).of("lambda")

    assert (row.max_memory_mb, row.connect_ms, row.floor_ms) == (300, 2, None)
    assert summarize(run_data([measured()], (), (), [instance(max_memory_mb=0)])).of("lambda").max_memory_mb is None


def test_cpu_time_is_that_of_the_steps() -> None:
    """Cold starts and bursts use CPU too, and are not what one request after another takes."""

    def step(experiment: str, requests: int, cpu_ns: int | None, label: str = "lambda") -> RecordedStep:
        return RecordedStep(label, experiment, 0, requests, 1, 1, cpu_ns)

    steps = [step("cold", 1, 500 * MS), step("closed", 40, 400 * MS), step("closed", 60, 800 * MS), step("burst", 9, 0)]
    run = run_data([measured()])

    assert summarize(replace(run, steps=steps)).of("lambda").cpu_ms_per_request == pytest.approx(12)
    assert summarize(replace(run, steps=[*steps, step("closed", 9, None)])).of("lambda").cpu_ms_per_request == 0
    assert summarize(replace(run, steps=[step("closed", 9, 9, "other")])).of("lambda").cpu_ms_per_request is None
    assert summarize(run).of("lambda").cpu_ms_per_request is None
