"""Each platform's scaling rules, one at a time, on loads small enough to reckon by hand."""

import numpy as np
import pytest

from serverless_dnn.bench.simulation.behaviour import Behaviour
from serverless_dnn.bench.simulation.scaling import (
    Rate,
    TokenBucket,
    cloud_run_scaling,
    lambda_scaling,
    sagemaker_scaling,
)
from serverless_dnn.bench.simulation.simulate import simulate


def _behaviour(service_s: float, start_s: float = 5.0, **more: float) -> Behaviour:
    def one(value: float) -> np.ndarray:
        return np.array([value])

    return Behaviour(
        service_s=one(service_s), overhead_s=one(0.0), start_s=one(start_s), start_billed_s=one(start_s),
        first_service_s=one(service_s), first_overhead_s=one(0.0), **more,
    )  # fmt: skip


def test_a_bucket_refills_continuously_and_saves_nothing_beyond_its_burst() -> None:
    bucket = TokenBucket(Rate(per_s=2, burst=2))

    assert [bucket.take(time_s) for time_s in (0, 0, 0, 0.5, 0.5, 100, 100, 100)] == [
        True, True, False, True, False, True, True, False,
    ]  # fmt: skip


def test_a_bucket_that_begins_empty_gives_what_is_refilled() -> None:
    bucket = TokenBucket(Rate(per_s=2, burst=2, begins_empty=True))

    assert [bucket.take(time_s) for time_s in (0, 0.5, 0.5, 100, 100, 100)] == [False, True, False, True, True, False]


def test_lambda_refuses_what_is_beyond_the_accounts_concurrency() -> None:
    outcome = simulate(np.zeros(12), _behaviour(1.0), lambda_scaling(concurrency=10))

    assert np.count_nonzero(outcome.refused) == 2
    assert outcome.latencies_s[~outcome.refused] == pytest.approx([6.0] * 10)


def test_lambda_starts_a_thousand_at_once_and_then_a_hundred_a_second() -> None:
    times_s = np.concatenate((np.zeros(1500), np.full(500, 1.0)))
    outcome = simulate(times_s, _behaviour(60.0), lambda_scaling(concurrency=5000))

    assert np.count_nonzero(~outcome.refused[:1500]) == 1000
    assert np.count_nonzero(~outcome.refused[1500:]) == 100


def test_lambda_takes_ten_requests_a_second_for_each_of_its_concurrency() -> None:
    """Short requests meet this limit long before that of concurrency."""
    outcome = simulate(np.arange(40_000) / 20_000, _behaviour(0.001, 0.001), lambda_scaling(), warm_instances=1000)

    # A second's worth at once, and what is refilled in two seconds.
    assert np.count_nonzero(~outcome.refused) == pytest.approx(30_000, abs=2)


@pytest.mark.parametrize(("gap_s", "is_cold"), [(299.0, False), (301.0, True)])
def test_an_idle_environment_is_kept_for_minutes(gap_s: float, is_cold: bool) -> None:
    outcome = simulate(np.array([0.0, 6.0 + gap_s]), _behaviour(1.0), lambda_scaling(idle_s=300.0))

    assert outcome.cold.tolist() == [True, is_cold]
    assert outcome.instance_counts(np.array([0.0, 6.0 + gap_s + 0.1])).tolist() == [1, 1]


def test_provisioned_environments_never_start_and_go_first() -> None:
    times_s = np.array([0.0, 0.1, 0.2, 1000.0, 2000.0])
    outcome = simulate(times_s, _behaviour(1.0), lambda_scaling(provisioned=2))

    assert outcome.cold.tolist() == [False, False, True, False, False]
    assert set(outcome.instances[[0, 1, 3, 4]]) <= {0, 1}


def test_sagemaker_refuses_beyond_the_endpoints_concurrency() -> None:
    outcome = simulate(np.zeros(5), _behaviour(1.0), sagemaker_scaling(max_concurrency=3))

    assert np.count_nonzero(outcome.refused) == 2


def test_on_cloud_run_a_waiting_request_takes_whichever_instance_is_free_first() -> None:
    times_s = np.array([0.0, 0.01])
    behaviour = _behaviour(0.1, start_s=5.0)
    cloud_run = simulate(times_s, behaviour, cloud_run_scaling(mean_start_s=5.0), warm_instances=1)
    function = simulate(times_s, behaviour, lambda_scaling(), warm_instances=1)

    assert cloud_run.begins_s == pytest.approx([0.0, 0.1])
    assert cloud_run.starts_s.tolist() == [0.0, 0.01]
    assert not cloud_run.cold.any()
    assert function.begins_s == pytest.approx([0.0, 5.01])


def test_cloud_run_starts_no_more_instances_than_waiting_requests_need() -> None:
    scaling = cloud_run_scaling(requests_per_instance=4, mean_start_s=1.0)
    outcome = simulate(np.zeros(10), _behaviour(1.0, start_s=1.0), scaling)

    assert outcome.starts_s.size == 3
    assert np.count_nonzero(outcome.cold) == 3


def test_cloud_run_refuses_what_has_waited_for_ten_seconds() -> None:
    scaling = cloud_run_scaling(max_instances=1, mean_start_s=0.1)
    outcome = simulate(np.array([0.0, 1.0, 9.0]), _behaviour(15.0, start_s=0.1), scaling)

    assert outcome.refused.tolist() == [False, True, False]


@pytest.mark.parametrize(("places", "cpus_per_request"), [(1, 0.1), (80, 1.0)])
def test_cloud_run_keeps_places_and_vcpus_sixty_percent_busy(places: int, cpus_per_request: float) -> None:
    """Six requests in flight on average need ten instances, of one place or of one vCPU each."""
    behaviour = _behaviour(0.0999, start_s=1.0, cpus=1.0, cpus_per_request=cpus_per_request)
    scaling = cloud_run_scaling(requests_per_instance=places, mean_start_s=1.0)
    # Without instances at the start, as many are started as requests come during a start, and kept.
    outcome = simulate(np.arange(60 * 180) / 60, behaviour, scaling, warm_instances=6)

    assert outcome.instance_counts(np.array([150.0, 179.0])).tolist() == [10, 10]


def test_minimum_instances_outlive_any_silence() -> None:
    scaling = cloud_run_scaling(min_instances=2, mean_start_s=1.0)
    outcome = simulate(np.array([0.0, 10_000.0, 10_000.0, 10_000.0]), _behaviour(1.0), scaling)

    assert not outcome.cold.any()
    assert np.isinf(outcome.stops_s[:2]).all()
