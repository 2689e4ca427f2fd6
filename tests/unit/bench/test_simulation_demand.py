"""A load's windows stand for the load; what a month costs is what can be reckoned by hand."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serverless_dnn.bench.analysis.prices import PriceTable, packaged_prices
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.simulation.arrivals import DAY_S, diurnal, diurnal_rate
from serverless_dnn.bench.simulation.behaviour import Behaviour
from serverless_dnn.bench.simulation.bills import Size
from serverless_dnn.bench.simulation.demand import MONTH_S, Demand, DiurnalDemand, RecordedDemand, SteadyDemand
from serverless_dnn.bench.simulation.evaluation import Market, Prediction, capacity, evaluate, weighted_percentiles
from serverless_dnn.bench.simulation.options import Candidate, Option, Quotas

MARKET = Market(50.0, packaged_prices())


def _candidate(platform: str, service_s: float = 0.0082, start_s: float = 0.5) -> Candidate:
    def one(value: float) -> np.ndarray:
        return np.array([value])

    memory_mb = {"lambda": 1024, "sagemaker": 2048, "cloudrun": 2048}[platform]
    behaviour = Behaviour(
        service_s=one(service_s), overhead_s=one(0.002), start_s=one(start_s), start_billed_s=one(start_s),
        first_service_s=one(service_s), first_overhead_s=one(0.002),
    )  # fmt: skip
    return Candidate(platform, platform, "", Size(platform, memory_mb, 1.0, 1 << 20), behaviour, 16)


def _usd(platform: str, demand: Demand, requests: int = 5000, **settings: int) -> Prediction:
    return evaluate(Option(_candidate(platform), **settings), demand, MARKET, requests)


def test_a_day_follows_its_sinusoid() -> None:
    times_s = diurnal(2.0, 1.8, seed=1)
    by_hour, _ = np.histogram(times_s, bins=24, range=(0, DAY_S))
    expected = diurnal_rate(2.0, 1.8, (np.arange(24) + 0.5) * 3600) * 3600

    assert times_s.size == pytest.approx(2 * DAY_S, rel=0.01)
    assert by_hour == pytest.approx(expected, rel=0.1)
    assert (np.diff(times_s) >= 0).all()
    assert np.array_equal(times_s, diurnal(2.0, 1.8, seed=1))
    assert not np.array_equal(times_s[:9], diurnal(2.0, 1.8, seed=2)[:9])


@pytest.mark.parametrize(("rate", "peak_to_mean"), [(0, 1.5), (1, 0.9), (1, 2.1), (float("inf"), 1.5)])
def test_a_day_that_no_sinusoid_has_is_refused(rate: float, peak_to_mean: float) -> None:
    with pytest.raises(OptionError, match="above 0 and a peak of 1 to 2"):
        diurnal(rate, peak_to_mean, seed=1)


def _demands() -> st.SearchStrategy[Demand]:
    rates = st.floats(0.001, 10_000)
    trace = np.cumsum(np.random.default_rng(0).exponential(1.0, 30_000))
    return st.one_of(
        st.builds(SteadyDemand, rates, st.booleans()),
        st.builds(DiurnalDemand, rates, st.floats(1, 2)),
        rates.map(lambda rate: RecordedDemand(trace).at(rate)),
    )


@settings(max_examples=60, deadline=None)
@given(_demands())
def test_windows_stand_for_all_requests_and_begin_in_order(demand: Demand) -> None:
    windows = demand.windows(2000, settle_s=0.1, seed=1)

    assert sum(window.share for window in windows) == pytest.approx(1)
    assert sum(window.time_share for window in windows) == pytest.approx(1)
    assert sum(window.arrivals_s.size - window.first_counted for window in windows) < 40_000
    for window in windows:
        assert 0 <= window.first_counted < window.arrivals_s.size
        assert (np.diff(window.arrivals_s) >= 0).all()
        assert window.arrivals_s[0] >= 0


def test_a_load_at_another_rate_keeps_its_shape() -> None:
    trace = RecordedDemand(np.array([1.0, 1.5, 4.0]))

    assert trace.at(7.5).rate == pytest.approx(7.5)
    assert trace.at(7.5).arrivals_s == pytest.approx([0.1, 0.15, 0.4])
    assert DiurnalDemand(1.0, 1.3).at(5.0) == DiurnalDemand(5.0, 1.3)
    with pytest.raises(OptionError, match="two requests"):
        RecordedDemand(np.zeros(3))


@pytest.mark.parametrize("platform", ["lambda", "cloudrun"])
def test_slices_of_a_day_say_what_the_whole_day_says(platform: str) -> None:
    whole = _usd(platform, DiurnalDemand(2.0), requests=200_000)
    sliced = _usd(platform, DiurnalDemand(2.0), requests=20_000)

    assert whole.simulated > 150_000
    assert sliced.simulated < 25_000
    assert sliced.usd_per_month == pytest.approx(whole.usd_per_month, rel=0.03)
    assert sliced.p99_ms == pytest.approx(whole.p99_ms, rel=0.05)
    assert sliced.cold_share == pytest.approx(whole.cold_share, abs=0.001)


def test_slices_of_a_trace_say_what_the_whole_trace_says() -> None:
    demand = RecordedDemand(diurnal(2.0, 1.8, seed=5))
    whole, sliced = _usd("lambda", demand, requests=200_000), _usd("lambda", demand, requests=20_000)

    assert sliced.simulated < 25_000
    assert whole.simulated > 150_000
    assert sliced.usd_per_month == pytest.approx(whole.usd_per_month, rel=0.03)
    assert sliced.p99_ms == pytest.approx(whole.p99_ms, rel=0.05)


def test_percentiles_of_unequal_weights_are_nearest_rank() -> None:
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([0.01, 0.5, 0.49])

    assert weighted_percentiles(values, weights, (50, 51, 99, 100)) == (1.0, 2.0, 2.0, 3.0)


def test_lambda_bills_each_request_to_the_next_millisecond() -> None:
    usd = _usd("lambda", SteadyDemand(10, is_random=False)).usd_per_month

    requests = 10 * MONTH_S
    assert usd == pytest.approx(requests * (0.009 * 0.0000166667 + 0.0000002), rel=0.001)


def test_lambda_bills_starts() -> None:
    """One request in ten minutes starts anew each time: 0.5 s of start and 8.2 ms, 509 ms in all."""
    prediction = _usd("lambda", SteadyDemand(1 / 600, is_random=False), requests=500)

    assert prediction.cold_share == pytest.approx(1)
    assert prediction.usd_per_month == pytest.approx(MONTH_S / 600 * (0.509 * 0.0000166667 + 0.0000002), rel=0.001)


def test_lambda_bills_provisioned_environments_as_long_as_they_are_held() -> None:
    usd = _usd("lambda", SteadyDemand(10, is_random=False), kept_instances=1).usd_per_month

    requests = 10 * MONTH_S
    assert usd == pytest.approx(MONTH_S * 0.0000041667 + requests * (0.009 * 0.0000097222 + 0.0000002), rel=0.001)


def test_sagemaker_bills_time_and_data_and_no_requests() -> None:
    usd = _usd("sagemaker", SteadyDemand(10, is_random=False)).usd_per_month

    assert usd == pytest.approx(10 * MONTH_S * (0.009 * 0.00004 + 0.016 / 1024), rel=0.001)


def test_cloud_run_bills_a_lone_request_for_a_tenth_of_a_second() -> None:
    prediction = _usd("cloudrun", SteadyDemand(0.1, is_random=False), requests=500)

    assert prediction.billing == "request-based"
    per_request = 0.1 * (0.000024 + 2 * 0.0000025) + 0.0000004
    assert prediction.usd_per_month == pytest.approx(0.1 * MONTH_S * per_request, rel=0.001)


def test_cloud_run_bills_by_instance_where_that_is_cheaper() -> None:
    prediction = _usd("cloudrun", SteadyDemand(20), requests_per_instance=16)

    assert prediction.billing == "instance-based"
    # By the hour, whatever the number of random requests: 57.82 dollars.
    assert prediction.usd_per_month == pytest.approx(MONTH_S * (0.000018 + 2 * 0.000002), rel=1e-9)


def test_an_instance_that_always_runs_costs_the_same_over_a_day_and_over_a_trace() -> None:
    trace = RecordedDemand(diurnal(5.0, 1.5, seed=3))
    for demand in (DiurnalDemand(5.0, 1.2), trace):
        prediction = _usd("cloudrun", demand, requests_per_instance=16, kept_instances=1)

        assert prediction.billing == "instance-based"
        assert prediction.most_instances == 1
        assert prediction.usd_per_month == pytest.approx(MONTH_S * (0.000018 + 2 * 0.000002), rel=1e-6)


def test_idle_minimum_instances_are_billed_for_the_time_in_which_they_are_idle() -> None:
    """A request a second of 8.2 ms keeps one of two instances busy for 0.82 % of the time."""
    priced = PriceTable(
        tuple(
            replace(row, usd=0.0000025) if row.item == "idle minimum instances" else row for row in MARKET.prices.rows
        )
    )
    option = Option(_candidate("cloudrun"), kept_instances=2)
    prediction = evaluate(option, SteadyDemand(1, is_random=False), Market(50.0, priced), 5000)

    requests = MONTH_S * (0.1 * (0.000024 + 2 * 0.0000025) + 0.0000004)
    idle = MONTH_S * (2 - 0.0082) * 0.0000025
    assert prediction.billing == "request-based"
    assert prediction.usd_per_month == pytest.approx(requests + idle, rel=1e-3)


def test_what_has_no_price_has_no_cost() -> None:
    option = Option(_candidate("sagemaker"), kept_instances=1)
    small = Option(Candidate("s", "s", "", Size("sagemaker", 1024, 0.5, 0.0), option.candidate.behaviour), 1, 1)
    prediction = evaluate(small, SteadyDemand(1), MARKET, 500)

    assert prediction.usd_per_month is None
    assert "provisioned concurrency held at 1024 MB" in prediction.unpriced


def test_what_is_more_than_all_instances_can_do_is_refused_after_the_longest_wait() -> None:
    """A window of seconds cannot show it: 100 instances of 8.2 ms do 12,195 requests/s."""
    behaviour = _candidate("cloudrun").behaviour
    assert capacity(behaviour, Option(_candidate("cloudrun")).scaling(MARKET.quotas)) == pytest.approx(100 / 0.0082)
    enough, double = (_usd("cloudrun", SteadyDemand(rate)) for rate in (11_000, 2 * 100 / 0.0082))

    assert enough.refused_share == 0
    assert enough.p99_ms < 100
    assert double.refused_share == pytest.approx(0.5, abs=0.001)
    assert double.within_share == 0
    assert double.p50_ms > 10_000
    assert not double.keeps_objective


@pytest.mark.parametrize("rate", [12_000, 19_000, 40_000])
@pytest.mark.parametrize("demand", [SteadyDemand, lambda rate: DiurnalDemand(rate, 1.0)])
def test_requests_beyond_lambdas_a_second_are_refused_as_long_as_they_last(
    rate: float, demand: Callable[[float], Demand]
) -> None:
    """A window of seconds would not use up the burst of 10,000."""
    prediction = evaluate(Option(_candidate("lambda", 0.001)), demand(rate), MARKET, 20_000)

    assert prediction.refused_share == pytest.approx(1 - 10_000 / rate, abs=0.01)
    assert not prediction.keeps_objective
    assert prediction.p99_ms == math.inf


def test_a_higher_quota_takes_more_requests_a_second() -> None:
    market = replace(MARKET, quotas=Quotas(lambda_concurrency=1300))
    just_enough = evaluate(Option(_candidate("lambda", 0.001)), SteadyDemand(9900), MARKET, 20_000)
    more = evaluate(Option(_candidate("lambda", 0.001)), SteadyDemand(12_000), market, 20_000)

    assert just_enough.refused_share == more.refused_share == 0


def test_one_request_a_second_is_one() -> None:
    assert SteadyDemand(1).text == "1 request/s, Poisson"
    assert DiurnalDemand(10).text == "10 requests/s over the day, up to 18"
