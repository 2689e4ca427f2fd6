"""The simulation of this machine, whose cores are shared, and how its predictions are compared with what was measured."""

import io

import numpy as np
import pytest
from analysis_runs import invocation, measured, run_data, sample
from rich.console import Console

from serverless_dnn.bench.analysis.joining import Rows
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.report.validation_text import print_validation
from serverless_dnn.bench.simulation.behaviour import Behaviour
from serverless_dnn.bench.simulation.local_machine import local_behaviour, sharing_cores, simulate_here
from serverless_dnn.bench.simulation.measured_rounds import compare_runs
from serverless_dnn.bench.simulation.scaling import local_scaling
from serverless_dnn.bench.simulation.validation import (
    Comparison,
    MeasuredRound,
    PlatformValidation,
    Validation,
    compare,
)


def _behaviour(service_s: float, overhead_s: float = 0.0, start_s: float = 0.5) -> Behaviour:
    def one(value: float) -> np.ndarray:
        return np.array([value])

    return Behaviour(
        service_s=one(service_s), overhead_s=one(overhead_s), start_s=one(start_s), start_billed_s=one(start_s),
        first_service_s=one(service_s), first_overhead_s=one(overhead_s),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("begins_s", "needed_s", "cores", "ends_s"),
    [
        ([0, 0], [1, 1], 2, [1, 1]),
        ([0, 0, 0, 0], [1, 1, 1, 1], 2, [2, 2, 2, 2]),
        # The second has half of the core until the first ends, which it delays as much.
        ([0, 1], [2, 2], 1, [3, 4]),
        ([0, 5], [1, 1], 1, [1, 6]),
        # Three on two cores until the short one ends.
        ([0, 0, 0], [2, 1, 2], 2, [2.5, 1.5, 2.5]),
    ],
)
def test_work_shares_cores_fairly(
    begins_s: list[float], needed_s: list[float], cores: int, ends_s: list[float]
) -> None:
    given = np.array(begins_s, dtype=np.float64), np.array(needed_s, dtype=np.float64)

    assert sharing_cores(*given, cores) == pytest.approx(ends_s)


def test_cores_lose_no_work() -> None:
    random = np.random.default_rng(1)
    begins_s, needed_s = np.sort(random.random(500)), random.exponential(0.01, 500)
    ends_s = sharing_cores(begins_s, needed_s, 2)

    assert np.all(ends_s >= begins_s + needed_s - 1e-9)
    # Five seconds of work on two cores.
    assert np.max(ends_s) == pytest.approx(np.sum(needed_s) / 2, rel=0.1)


def test_a_burst_reaches_the_door_together_and_is_then_served_in_turn() -> None:
    latencies_s = simulate_here(np.zeros(4), _behaviour(0.1, 0.02), local_scaling(1), 2, warm_instances=1)

    assert latencies_s == pytest.approx([0.14, 0.24, 0.34, 0.44])


def test_a_burst_on_no_instance_waits_for_the_one_that_starts() -> None:
    latencies_s = simulate_here(np.zeros(3), _behaviour(0.1, 0.02, start_s=0.5), local_scaling(1), 3)

    assert latencies_s == pytest.approx([0.62, 0.72, 0.82])


def test_a_prediction_is_compared_with_what_was_measured() -> None:
    def against(values_ms: list[float]) -> MeasuredRound:
        return MeasuredRound(np.zeros(4), values_ms, _behaviour(0.1, 0.002))

    rounds = [against([102.0, 102.0, 202.0, 202.0])] * 100
    median, last = compare("burst", "closed", rounds, local_scaling(2), 4, warm_instances=2)
    assert (median.predicted_ms, last.predicted_ms) == pytest.approx((102.0, 202.0))
    assert median.measured == 400
    assert median.is_close
    assert last.is_carried

    twice, last = compare("burst", "closed", [against([204.0] * 4)], local_scaling(2), 4, warm_instances=2)
    assert twice.error == pytest.approx(-0.5)
    assert not twice.is_close
    assert not last.is_carried


def _validation(*errors: tuple[str, str, float]) -> Validation:
    """Predictions of 100 ms that are off by so much."""
    compared = tuple(
        Comparison(pattern, basis, percent, 100.0 * (1 + error), 100.0, 400)
        for pattern, basis, error in errors
        for percent in (50.0, 99.0)
    )
    return Validation("m", 0, True, {}, 2, (PlatformValidation("lambda", 1, 10.0, (), compared),))


def _verdict(validation: Validation) -> str:
    stream = io.StringIO()
    print_validation(validation, Console(file=stream, width=100))
    return stream.getvalue()


def test_predictions_within_the_bar_pass() -> None:
    passed = _validation(("burst", "closed", 0.19), ("open", "loaded", -0.19), ("cold", "closed", 0.0))

    assert passed.is_passed
    assert "PASS: 6 of 6 predictions are within 20%." in _verdict(passed)
    assert "FAIL" not in _verdict(passed)


@pytest.mark.parametrize(("pattern", "basis"), [("burst", "closed"), ("open", "loaded"), ("cold", "closed")])
@pytest.mark.parametrize("error", [0.21, -0.21])
def test_a_wrong_prediction_fails(pattern: str, basis: str, error: float) -> None:
    failed = _validation(("burst", "closed", 0.1), (pattern, basis, error))

    assert not failed.is_passed
    assert "FAIL: 2 of 4 predictions are within 20%." in _verdict(failed)
    assert _verdict(failed).count("FAIL") == 3


def test_an_open_loop_from_a_closed_ones_times_is_shown_and_does_not_decide() -> None:
    shown = _validation(("open", "loaded", 0.0), ("open", "closed", -0.25))

    assert shown.is_passed
    assert "(fail)" in _verdict(shown)
    assert "0 of 2 predictions are within 20%" in _verdict(shown)
    assert not _validation(("open", "closed", 0.0)).is_passed


def test_nothing_measured_is_not_compared() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        compare("open", "loaded", [], local_scaling(1), 2)


def _run(latency_ms: float, service_ms: float, handing_ms: float = 1.0, rounds: int = 2, **loads: list[float]):
    """Requests one after another in each round, and loads whose requests come at given times and wait their turn."""
    samples, invocations = [], []
    for number in range(rounds):
        for index in range(40):
            begin_ms = 100.0 * index
            samples.append(sample("lambda", "closed", number, index, latency_ms))
            invocations.append(_handed(number, "closed", begin_ms, service_ms, handing_ms))
        for experiment, times_ms in loads.items():
            free_ms = 0.0
            for index, due_ms in enumerate(times_ms):
                begin_ms = max(due_ms + latency_ms - service_ms - handing_ms, free_ms) + handing_ms
                free_ms = begin_ms + service_ms
                row = sample("lambda", experiment, number, index, free_ms - due_ms, scheduled_ns=round(due_ms * 1e6))
                samples.append(row)
                arrival_ms = due_ms + latency_ms - service_ms - handing_ms
                invocations.append(_handed(number, experiment, arrival_ms, service_ms, begin_ms - arrival_ms))
    for number in range(3):
        samples.append(sample("lambda", "cold", number, 0, 500.0 + latency_ms, cold=True, server_total_ns=1))
        invocations.append(_handed(number, "cold", 0.0, service_ms, 500.0))
    return run_data([measured("lambda")], samples, invocations)


def _handed(number: int, experiment: str, arrival_ms: float, service_ms: float, handing_ms: float):
    begin_ms = arrival_ms + handing_ms
    ns = {"arrival_ns": round(arrival_ms * 1e6)}
    return invocation("lambda", experiment, number, begin_ms, begin_ms + service_ms, **ns)


def test_handing_a_request_over_keeps_the_instance_and_waiting_does_not() -> None:
    data = _run(15.0, 10.0, handing_ms=1.0, open=[0.0, 5.0, 50.0])
    rows = Rows(data)
    alone = rows.counted_requests("lambda", "closed")
    behaviour = local_behaviour("lambda", rows.counted_requests("lambda", "open"), (), alone)

    assert behaviour.service_s == pytest.approx(np.full(6, 0.011))
    assert behaviour.overhead_s == pytest.approx(np.full(6, 0.004))


def test_without_the_platforms_records_nothing_is_predicted() -> None:
    data = run_data([measured("lambda")], [sample("lambda", "closed", 0, index) for index in range(5)])
    alone = Rows(data).counted_requests("lambda", "closed")

    with pytest.raises(OptionError, match="lambda did not tell how long its requests took"):
        local_behaviour("lambda", alone, (), alone)


def test_a_machine_that_does_what_is_simulated_is_predicted_exactly() -> None:
    """Far apart, a burst, and an open loop; each with the same times throughout, so that nothing is left to chance."""
    times_ms = [0.0, 5.0, 50.0, 52.0, 54.0, 200.0]
    warm = _run(15.0, 10.0, burst=[0.0, 0.0], open=times_ms)
    cold = _run(15.0, 10.0, burst=[0.0, 0.0])
    for_no_instance = [
        each
        if each.experiment != "burst"
        else sample("lambda", "burst", each.round, each.index, 500.0 + 15.0 + 11.0 * each.index - 1.0)
        for each in cold.samples
    ]
    compared = compare_runs("lambda", run_data([measured("lambda")], for_no_instance, cold.invocations), warm, 1, 8, 0)

    assert [(each.pattern, each.basis, each.percent) for each in compared] == [
        ("burst", "closed", 50), ("burst", "closed", 99), ("open", "closed", 50), ("open", "closed", 99),
        ("open", "loaded", 50), ("open", "loaded", 99), ("cold", "closed", 50), ("cold", "closed", 99),
    ]  # fmt: skip
    for each in compared:
        assert each.error == pytest.approx(0.0, abs=0.01), each
