"""What is said to change a choice does, when asked directly; and what is not said does not."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from advice_candidates import PRICES, REQUESTS, THREE, TWO_SIZES, advise_at, candidate

from serverless_dnn.bench.analysis.prices import Price, PriceTable
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.simulation.advice import Advice
from serverless_dnn.bench.simulation.break_even import three_digits
from serverless_dnn.bench.simulation.demand import SteadyDemand
from serverless_dnn.bench.simulation.evaluation import Market, evaluate_all
from serverless_dnn.bench.simulation.options import Candidate, Quotas
from serverless_dnn.bench.simulation.phrases import number


def _label_at(candidates: Sequence[Candidate], rate: float, slo_ms: float = 50, prices: PriceTable = PRICES) -> str:
    """Whom advice chooses; without what would change that, which takes longer than the choice."""
    market, load = Market(slo_ms, prices), SteadyDemand(rate)
    every = [each for candidate in candidates for each in evaluate_all(candidate, load, market, REQUESTS)]
    return min(every, key=lambda each: each.rank).option.candidate.label


TWO = (THREE[0], candidate("cloudrun", "cloudrun", 2048, 10, 700))


@pytest.fixture(scope="module")
def two_at_ten() -> Advice:
    return advise_at(TWO, 10, 50)


@pytest.fixture(scope="module")
def at_ten() -> Advice:
    return advise_at(THREE, 10, 50)


def test_the_objectives_at_which_others_win_are_where_they_do() -> None:
    loose, tight = advise_at(TWO_SIZES, 5, 100), advise_at(TWO_SIZES, 5, 25)

    assert loose.changes.tighter.prediction.option.candidate.label == "large"
    assert advise_at(TWO_SIZES, 5, loose.changes.tighter.p99_ms - 0.001).winner.option.candidate.label == "large"
    assert tight.changes.looser.prediction.option.candidate.label == "small"
    assert advise_at(TWO_SIZES, 5, tight.changes.looser.p99_ms + 0.001).winner.option.candidate.label == "small"


def test_at_the_rates_that_are_reported_the_other_wins_and_in_between_it_does_not(two_at_ten: Advice) -> None:
    """One instance of Cloud Run is cheaper from 48 requests/s on, until at about 60 it takes a second one."""
    above = [each for each in two_at_ten.changes.rates if each.is_above]

    assert two_at_ten.winner.option.candidate.label == "lambda"
    assert len(above) > 1
    assert above[0].from_rate == pytest.approx(48, rel=0.05)
    for band in above:
        assert band.reason == "cheaper"
        assert band.from_rate < band.to_rate
        assert band.prediction.option.candidate.label == "cloudrun"
        assert _label_at(TWO, band.from_rate) == "cloudrun"
        assert _label_at(TWO, band.to_rate) == "cloudrun"
    for band, following in itertools.pairwise(above):
        assert _label_at(TWO, (band.to_rate * following.from_rate) ** 0.5) == "lambda"
    assert _label_at(TWO, above[0].from_rate * 0.9) == "lambda"


def test_below_too_the_other_wins_at_both_ends_of_a_band_and_not_beyond_them(two_at_ten: Advice) -> None:
    """What keeps idle instances for longer has fewer cold starts, until requests are so rare that all have."""
    (below,) = (each for each in two_at_ten.changes.rates if not each.is_above)

    assert [_label_at(TWO, rate) for rate in (below.from_rate, below.to_rate)] == ["cloudrun", "cloudrun"]
    assert [_label_at(TWO, rate) for rate in (below.from_rate / 1.4, below.to_rate * 1.3)] == ["lambda", "lambda"]
    assert below.prediction.option.candidate.label == "cloudrun"


def test_a_band_that_goes_on_has_one_end() -> None:
    """However rare requests are: they meet a cold start, which only one of the two is fast enough for."""
    slow_start = candidate("small", "lambda", 1024, 8, start_ms=400)
    fast_start = candidate("large", "lambda", 3008, 8, start_ms=10)
    (band,) = advise_at((slow_start, fast_start), 0.1, 100).changes.rates

    assert band.from_rate is None
    assert not band.is_above
    assert _label_at((slow_start, fast_start), 1e-5, 100) == "large"


def test_where_both_cost_the_same_the_other_is_not_said_to_be_cheaper() -> None:
    """Some requests a second are within the free duration of both sizes, and requests cost the same."""
    advice = advise_at(TWO_SIZES, 20, 100, free_tier=True)
    (below,) = advice.changes.rates

    assert advice.winner.option.candidate.label == "small"
    assert 1 < below.to_rate < 10
    assert below.reason == "faster"
    assert "where AWS Lambda with 3008 MB is faster and costs no more" in advice.lines[2]


def test_bands_are_written_with_both_ends(two_at_ten: Advice) -> None:
    above = [each for each in two_at_ten.changes.rates if each.is_above]
    *firsts, last = (f"from {number(each.from_rate)} to {number(each.to_rate)}" for each in above)

    assert (
        f"It would change {', '.join(firsts)} and {last} requests/s, where Cloud Run is cheaper"
        in (two_at_ten.lines[2])
    )


def test_a_neighbour_of_another_size_does_not_hide_what_other_platforms_change() -> None:
    """The runner-up is the same platform with a little more memory."""
    sizes = (candidate("lambda larger", "lambda", 1800, 8), *THREE)
    advice = advise_at(sizes, 10, 50)
    cloud_run = [each for each in advice.changes.rates if each.prediction.option.candidate.label == "cloudrun"]

    assert advice.winner.option.candidate.platform == "lambda"
    assert advice.runner_up.option.candidate.platform == "lambda"
    assert {each.is_above for each in cloud_run} == {True, False}
    assert advice.changes.price_rise.prediction.option.candidate.label == "cloudrun"
    assert "AWS Lambda's prices rose to" in advice.lines[2]


def test_sizes_of_one_platform_are_told_apart() -> None:
    """More memory is needed as soon as requests are so rare that the start counts."""
    slow_start = candidate("small", "lambda", 1024, 8, start_ms=400)
    fast_start = candidate("large", "lambda", 3008, 8, start_ms=10)
    advice = advise_at((slow_start, fast_start), 10, 100)

    assert advice.winner.option.candidate.label == "small"
    assert advice.changes.price_rise is None
    assert _label_at((slow_start, fast_start), 0.001, 100) == "large"
    assert any("AWS Lambda with 3008 MB is cheaper" in line for line in advice.lines)


def test_beyond_the_price_rise_the_other_wins(at_ten: Advice) -> None:
    def winner_at(rise: float) -> str:
        rows = [_times(row, 1 + rise) if row.platform == "lambda" else row for row in PRICES.rows]
        return _label_at(THREE, 10, prices=PriceTable(tuple(rows)))

    assert winner_at(at_ten.changes.price_rise.share - 0.05) == "lambda"
    assert (
        winner_at(at_ten.changes.price_rise.share + 0.05) == at_ten.changes.price_rise.prediction.option.candidate.label
    )


def _times(row: Price, factor: float) -> Price:
    return replace(row, usd=None if row.usd is None else row.usd * factor)


def test_an_assumption_that_decides_is_said() -> None:
    """At one request in 100 s, what keeps idle instances for 15 minutes has few cold starts; this is assumed."""
    advice = advise_at(THREE, 0.01, 50)
    same = advise_at(THREE, 0.01, 50, quotas=Quotas(idle_s=300))

    assert advice.winner.option.candidate.label == "cloudrun"
    assert advice.changes.idle.idle_s == 300
    assert "kept for 5 minutes everywhere, which is assumed" in advice.lines[2]
    assert same.winner.option.text == advice.changes.idle.prediction.option.text
    assert same.winner.option.candidate.label != "cloudrun"
    assert same.changes.idle is None


def test_a_platform_that_cannot_scale_so_far_is_not_chosen() -> None:
    """400 requests in flight are twice what a SageMaker endpoint runs, whatever is set."""
    slow = (candidate("sagemaker", "sagemaker", 2048, 200),)
    advice = advise_at(slow, 2000, 1000)

    assert advice.winner is None
    assert advice.ranked[0].refused_share > 0.4
    assert advice.changes.quotas == ()
    assert "Nothing that was measured keeps" in advice.lines[0]
    assert "quota" in advice.lines[2]


def test_a_quota_that_decided_is_said_and_enough_of_it_changes_the_choice() -> None:
    """60 requests in flight on average take about a hundred instances of one place, and here there are ten."""
    alone = (replace(candidate("cloudrun", "cloudrun", 2048, 200), max_requests_per_instance=1),)
    advice = advise_at(alone, 300, 1000, quotas=Quotas(cloud_run_instances=10))
    (quota,) = advice.changes.quotas
    enough = advise_at(alone, 300, 1000, quotas=Quotas(cloud_run_instances=quota.needed))

    assert advice.winner is None
    assert 60 < quota.needed < 200
    assert (
        f"Cloud Run's 10 instances are too few: with --max-instances {quota.needed} take Cloud Run" in advice.lines[2]
    )
    assert enough.winner.option.text == quota.prediction.option.text


def test_a_quota_of_another_platform_that_decided_is_said_beside_the_winner() -> None:
    advice = advise_at(THREE[:2], 100, 50, quotas=Quotas(lambda_concurrency=1))
    (quota,) = advice.changes.quotas

    assert advice.winner.option.candidate.label == "sagemaker"
    assert (quota.platform, quota.quota) == ("lambda", 1)
    # Ten requests a second each.
    assert quota.needed >= 10
    assert (
        f"AWS Lambda's 1 concurrent executions are too few: with --lambda-concurrency {quota.needed}" in advice.lines[2]
    )
    raised = advise_at(THREE[:2], 100, 50, quotas=Quotas(lambda_concurrency=quota.needed))
    assert raised.winner.option.candidate.label == "lambda"


@pytest.mark.parametrize(
    "quotas",
    [
        {"lambda_concurrency": 0}, {"sagemaker_concurrency": 201}, {"cloud_run_instances": -1},
        {"idle_s": 0.0}, {"idle_s": float("nan")}, {"idle_s": float("inf")},
    ],
)  # fmt: skip
def test_quotas_that_no_platform_has_are_refused(quotas: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="expected"):
        Quotas(**quotas)


def test_rates_have_three_digits() -> None:
    assert [three_digits(value) for value in (0.0156789, 38.349, 1234.5)] == [0.0157, 38.3, 1230]
