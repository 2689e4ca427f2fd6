"""Costs by hand, from measured billed time to dollars, for each platform."""

from dataclasses import replace

import pytest
from analysis_runs import MS, instance, invocation, measured, run_data, sample

from serverless_dnn.bench.analysis.cost import estimated_cost_usd, monthly_cost, round_costs, summarize_cost
from serverless_dnn.bench.analysis.joining import Rows
from serverless_dnn.bench.analysis.prices import Price, PriceTable, packaged_prices
from serverless_dnn.bench.analysis.results import CostSummary
from serverless_dnn.bench.configuration import MeasuredConfiguration
from serverless_dnn.bench.load.samples import Experiment
from serverless_dnn.bench.recorded_run import RunData

PRICES = packaged_prices()


def _cost(data: RunData, of: MeasuredConfiguration, prices: PriceTable = PRICES) -> CostSummary:
    cost = summarize_cost(Rows(data), of.configuration, prices)
    assert cost is not None
    return cost


def test_lambda_bills_memory_times_milliseconds_and_requests() -> None:
    """1024 MB for 9.0, 9.1 and 10.001 ms: 9 + 10 + 11 ms, so 0.01 s on average."""
    of = measured(memory_mb=1024)
    ends = [9.0, 9.1, 10.001]
    samples = [sample(number=number) for number in range(3)]
    invocations = [invocation(number=number, end_ms=end) for number, end in enumerate(ends)]

    cost = _cost(run_data([of], samples, invocations), of)

    assert cost.billed_ms == 10
    assert cost.billed_from == "the front door's records"
    assert cost.per_million_usd == pytest.approx(0.01 * 1e6 * 0.0000166667 + 0.20)
    assert cost.per_million_interval is not None
    assert cost.per_million_interval.low < cost.per_million_usd < cost.per_million_interval.high
    assert (cost.region, cost.priced_on) == ("us-east-2", "2026-08-21")
    assert cost.usage == {"duration": pytest.approx(0.01), "requests": 1}


def test_lambda_bills_the_init_phase_of_a_cold_start() -> None:
    """700.2 ms of init and 20.1 ms of the first request are 720.3 ms: 721 are billed."""
    of = measured(memory_mb=2048)
    samples = [sample(), sample(experiment="cold", cold=True)]
    cold = invocation(experiment="cold", begin_ms=800, end_ms=820.1, init_ns=700_200_000)

    cost = _cost(run_data([of], samples, [invocation(), cold]), of)

    assert cost.cold_start_usd == pytest.approx(2 * 0.721 * 0.0000166667 + 0.0000002)


def test_sagemaker_bills_milliseconds_and_data_but_no_requests() -> None:
    """10 ms at 0.00004 a second; 2**19 bytes in and as many out are 2**-10 GB at 0.016."""
    of = measured("sagemaker", "sagemaker", memory_mb=2048)
    row = sample("sagemaker", bytes_sent=1 << 19, bytes_received=1 << 19)

    cost = _cost(run_data([of], [row], [invocation("sagemaker", end_ms=9.5)]), of)

    assert cost.per_million_usd == pytest.approx(0.01 * 0.00004 * 1e6 + 0.016 / 1024 * 1e6)
    assert cost.cold_start_usd is None
    assert any("does not say whether a start is billed" in note for note in cost.notes)
    unknown = run_data([of], [sample("sagemaker")], [invocation("sagemaker")])
    assert _cost(unknown, of).per_million_usd is None


def test_what_goes_by_url_is_no_data_of_the_endpoint() -> None:
    of = measured("sagemaker", "sagemaker", memory_mb=2048, by_url=True)

    def cost(size: int) -> float | None:
        row = sample("sagemaker", bytes_sent=size, bytes_received=0)
        found = _cost(run_data([of], [row], [invocation("sagemaker", end_ms=9.5)]), of)
        return found.per_million_usd

    assert cost(8 << 20) == cost(0)
    assert (cost(2 << 20) or 0) > (cost(0) or 0)


def test_sagemaker_names_prices_that_are_derived() -> None:
    of = measured("sagemaker", "sagemaker", memory_mb=4096)
    row = sample("sagemaker", bytes_sent=1, bytes_received=1)

    cost = _cost(run_data([of], [row], [invocation("sagemaker")]), of)

    assert "SageMaker Serverless: the price of duration at 4096 MB is derived." in cost.notes


def test_cloud_run_bills_100_ms_and_shares_them_among_requests_at_once() -> None:
    """1 vCPU and 2 GiB cost 0.000029 a second. Alone, 10 ms are billed as 100.

    In a burst one instance is busy from 0 to 130 ms with four requests, billed as 200 ms, and another for 40 ms with
    one, billed as 100: 60 ms for each of the five. Instance-based, they share 170 ms of 0.000022 a second.
    """
    of = measured("cloudrun", "cloudrun", memory_mb=2048, cpus=1.0)
    spans = [("a", 0, 30), ("a", 20, 80), ("a", 80, 100), ("a", 90, 130), ("b", 5, 45)]
    samples = [sample("cloudrun"), *(sample("cloudrun", "burst", index=index) for index in range(5))]
    invocations = [
        invocation("cloudrun", end_ms=10),
        *(invocation("cloudrun", "burst", begin_ms=begin, end_ms=end, instance=name) for name, begin, end in spans),
    ]

    cost = _cost(run_data([of], samples, invocations), of)

    assert cost.billed_ms == 100
    assert cost.per_million_usd == pytest.approx(0.1 * 0.000029 * 1e6 + 0.40)
    assert cost.per_million_busy_usd == pytest.approx(0.06 * 0.000029 * 1e6 + 0.40)
    assert cost.per_million_instance_based_usd == pytest.approx(0.170 / 5 * 0.000022 * 1e6)
    assert "Cloud Run: the price of instance-based memory is unverified." in cost.notes


@pytest.mark.parametrize("experiment", ["closed", "open", "burst"])
def test_cloud_run_bills_overlapping_requests_once_in_whatever_experiment(experiment: Experiment) -> None:
    """Four requests of 80 ms at a time keep one instance busy for 90 ms, billed as 100: 25 ms each, and not 100.

    In the next round they keep it busy for 130 ms, billed as 200: 50 ms each.
    """
    of = measured("cloudrun", "cloudrun", memory_mb=2048, cpus=1.0)
    samples = [sample("cloudrun", experiment, number, index) for number in range(2) for index in range(4)]
    invocations = [
        invocation("cloudrun", experiment, number, begin_ms=index * gap_ms, end_ms=index * gap_ms + length_ms)
        for number, (gap_ms, length_ms) in enumerate([(3, 81), (10, 100)])
        for index in range(4)
    ]
    data = run_data([of], samples, invocations)

    cost = _cost(data, of)

    usd = [share_s * 0.000029 * 1e6 + 0.40 for share_s in (0.025, 0.05)]
    assert cost.per_million_usd == pytest.approx(sum(usd) / 2)
    assert cost.experiment == experiment
    assert round_costs(Rows(data), of.configuration, PRICES) == {0: [pytest.approx(usd[0])], 1: [pytest.approx(usd[1])]}
    assert cost.per_million_interval is not None


def test_bursts_alone_have_a_cost() -> None:
    of = measured(memory_mb=1024)
    samples = [sample(experiment="burst", index=index) for index in range(2)]
    invocations = [invocation(experiment="burst", end_ms=end) for end in (10, 20)]

    cost = _cost(run_data([of], samples, invocations), of)

    assert cost.per_million_usd == cost.per_million_busy_usd == pytest.approx(0.015 * 1e6 * 0.0000166667 + 0.20)


def test_what_requests_cost_is_unknown_where_they_may_have_shared_an_instance() -> None:
    of = measured("far", "cloudrun", url="https://far", memory_mb=2048, cpus=1.0)
    together = [sample("far", index=index, server_total_ns=MS) for index in range(2)]
    in_turn = [replace(row, scheduled_ns=row.index * 10 * MS, sent_ns=row.index * 10 * MS) for row in together]

    shared = _cost(run_data([of], together), of)

    assert shared.per_million_usd is None
    assert "shared an instance is unknown" in shared.notes[0]
    assert round_costs(Rows(run_data([of], together)), of.configuration, PRICES) == {}
    assert _cost(run_data([of], in_turn), of).per_million_usd == pytest.approx(0.1 * 0.000029 * 1e6 + 0.40)
    # A Lambda environment never has two requests.
    function = measured("far", "lambda", url="https://far", memory_mb=1024)
    assert _cost(run_data([function], together), function).per_million_usd is not None


def test_cloud_run_bills_a_start_from_the_container_on() -> None:
    """Spawned at 50 ms, answered at 851 ms: 801 ms are billed as 900."""
    of = measured("cloudrun", "cloudrun", memory_mb=2048, cpus=1.0)
    samples = [sample("cloudrun"), sample("cloudrun", "cold", cold=True)]
    invocations = [
        invocation("cloudrun"),
        invocation("cloudrun", "cold", begin_ms=840, end_ms=851, instance="new"),
    ]

    cost = _cost(run_data([of], samples, invocations, [instance("cloudrun", instance="new", spawned_ns=50 * MS)]), of)

    assert cost.cold_start_usd == pytest.approx(0.9 * 0.000029 + 0.0000004)


def test_remote_targets_are_billed_by_what_their_server_reports() -> None:
    of = measured("far", "cloudrun", url="https://far", memory_mb=2048, cpus=1.0)
    samples = [
        sample("far", server_total_ns=100_000_001),
        sample("far", "burst", server_total_ns=1),
        sample("far", "cold", cold=True, cold_ns=700 * MS, server_total_ns=50 * MS),
    ]

    cost = _cost(run_data([of], samples), of)

    assert (cost.billed_ms, cost.billed_from) == (200, "the server's reported total")
    assert cost.cold_start_usd == pytest.approx(0.8 * 0.000029 + 0.0000004)
    # Which instance had which request is not known.
    assert cost.per_million_busy_usd is None
    assert any("server's reported total" in note for note in cost.notes)


def test_an_instance_of_unknown_size_has_no_cost() -> None:
    of = measured("far", "lambda", url="https://far", memory_mb=None, cpus=None)

    cost = _cost(run_data([of], [sample("far", server_total_ns=1)]), of)

    assert (cost.per_million_usd, cost.billed_ms, cost.usage) == (None, 1, {})
    assert "AWS Lambda: the size of an instance is unknown, and so is what it costs." in cost.notes


def test_what_has_no_cost_at_all() -> None:
    elsewhere = measured("far", "grpc", url="grpcs://far")
    assert (
        summarize_cost(Rows(run_data([elsewhere], [sample("far", server_total_ns=1)])), elsewhere.configuration, PRICES)
        is None
    )
    of = measured()
    assert summarize_cost(Rows(run_data([of], [sample()])), of.configuration, PRICES) is None
    assert round_costs(Rows(run_data([of], [sample()])), of.configuration, PRICES) == {}


def test_an_unknown_price_is_never_guessed() -> None:
    of = measured()
    rows = [
        Price("lambda", "duration", "here", "GB-s", 0, None, None, "", "nobody", "unknown"),
        Price("lambda", "requests", "here", "request", 0, 1.0, None, "2026", "me", "known"),
    ]

    cost = _cost(run_data([of], [sample()], [invocation()]), of, PriceTable(tuple(rows)))

    assert cost.per_million_usd is None
    assert cost.per_million_interval is None
    assert "AWS Lambda: the price of duration is unknown." in cost.notes


def test_failed_and_set_apart_requests_are_not_billed_for() -> None:
    of = measured()
    samples = [sample(index=0), sample(index=1, set_apart="cold"), sample(index=2, status="INTERNAL")]
    invocations = [
        invocation(begin_ms=begin, end_ms=begin + length) for begin, length in ((0, 10), (20, 500), (600, 90))
    ]

    assert _cost(run_data([of], samples, invocations), of).billed_ms == 10


def test_a_month_with_and_without_the_free_tier() -> None:
    """1 GB for 0.1 s, 5,000,000 times: 500,000 GB-s, of which 400,000 are free, as are a million requests."""
    usage = {"duration": 0.1, "requests": 1.0}

    assert monthly_cost("lambda", usage, 5e6, PRICES) == pytest.approx(5e5 * 0.0000166667 + 1.00)
    assert monthly_cost("lambda", usage, 5e6, PRICES, free_tier=True) == pytest.approx(1e5 * 0.0000166667 + 0.80)
    assert monthly_cost("lambda", usage, 1e6, PRICES, free_tier=True) == 0
    assert monthly_cost("lambda", {}, 1e6, PRICES) is None
    assert monthly_cost("lambda", {"gold": 1.0}, 1e6, PRICES) is None


def test_what_a_run_will_cost_about() -> None:
    """Lambda's default is 1,769 MB; Cloud Run's 1 vCPU and 2 GiB, billed by 100 ms."""
    assert estimated_cost_usd("lambda", 1000, 0.0102, PRICES) == pytest.approx(
        1000 * (1769 / 1024 * 0.011 * 0.0000166667 + 0.0000002)
    )
    assert estimated_cost_usd("cloudrun", 10, 0.01, PRICES) == pytest.approx(10 * (0.1 * 0.000029 + 0.0000004))
    assert estimated_cost_usd("grpc", 10, 0.01, PRICES) is None
