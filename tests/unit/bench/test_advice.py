"""Advice takes the cheapest that keeps the objective, says what would change that, and refuses what carries nothing."""

import re
from dataclasses import replace

import pytest
from advice_candidates import PRICES, THREE, TWO_SIZES, advise_at
from analysis_runs import invocation, sample

from serverless_dnn.bench.analysis.joining import Request
from serverless_dnn.bench.analysis.prices import PriceTable
from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.load.samples import Experiment
from serverless_dnn.bench.simulation.advice import advise
from serverless_dnn.bench.simulation.demand import DiurnalDemand, SteadyDemand
from serverless_dnn.bench.simulation.evaluation import Market
from serverless_dnn.bench.simulation.sharing import slowdowns_of


def test_the_cheapest_that_keeps_the_objective_wins() -> None:
    loose, tight = advise_at(TWO_SIZES, 5, 100), advise_at(TWO_SIZES, 5, 25)

    assert loose.winner.option.candidate.label == "small"
    assert tight.winner.option.candidate.label == "large"
    assert tight.winner.p99_ms <= 25 < loose.winner.p99_ms
    assert loose.winner.usd_per_month == min(each.usd_per_month for each in loose.ranked)


def test_rare_requests_need_instances_that_always_run() -> None:
    """One request in an hour meets a cold start each time, however cheap that is."""
    advice = advise_at(THREE[:1], 1 / 3600, 50)

    assert advice.winner.option.kept_instances == 1
    assert advice.changes.looser.prediction.option.kept_instances == 0
    assert advice.changes.looser.p99_ms > 500
    assert "1 provisioned" in advice.lines[0]


def test_an_objective_that_nothing_keeps_is_said_with_what_comes_nearest() -> None:
    advice = advise_at(TWO_SIZES, 5, 1.0)

    assert advice.winner is None
    assert advice.lines[0] == "Nothing that was measured keeps a p99 of 1 ms for 5 requests/s, Poisson."
    assert "3008 MB comes nearest" in advice.lines[1]


def test_the_answer_is_three_sentences_with_their_assumptions() -> None:
    advice = advise(THREE, DiurnalDemand(10), Market(50, PRICES), requests=2000)

    assert len(advice.lines) == 3
    assert advice.lines[0].startswith("Take AWS Lambda with 1769 MB: $")
    assert advice.lines[1].startswith("Runner-up: ")
    assert advice.lines[2].startswith("It would change ")
    for text in (*advice.lines, *advice.assumptions):
        assert text.endswith(".")
        assert not re.search(r"\bnan\b|\binf\b|None|e[+-]\d\d", text), text
    assert len(set(advice.assumptions)) == len(advice.assumptions)
    assert any("assumed" in text for text in advice.assumptions)


def test_the_same_question_gets_the_same_answer() -> None:
    assert advise_at(THREE, 10, 50).lines == advise_at(THREE, 10, 50).lines


def test_concurrency_is_chosen_where_it_can_be() -> None:
    advice = advise_at(THREE[2:], 20, 50)

    assert {each.option.requests_per_instance for each in advice.ranked} == {1, 2, 4, 8, 16}
    assert advice.winner.option.requests_per_instance > 1
    assert (
        advice.winner.usd_per_month
        < next(each for each in advice.ranked if each.option.requests_per_instance == 1).usd_per_month
    )


def test_without_any_price_advice_is_refused() -> None:
    unknown = PriceTable(tuple(replace(row, usd=None, certainty="unknown") for row in PRICES.rows))

    with pytest.raises(OptionError, match="the price table lacks AWS Lambda: duration, "):
        advise(THREE[:1], SteadyDemand(1), Market(50, unknown), requests=500)


def test_what_has_no_price_is_left_out_and_named() -> None:
    rows = tuple(replace(row, usd=None) if row.platform == "sagemaker" else row for row in PRICES.rows)
    advice = advise(THREE, SteadyDemand(1), Market(50, PriceTable(rows)), requests=500)

    assert "duration at 2048 MB" in advice.left_out["sagemaker"]
    assert all(each.option.candidate.label != "sagemaker" for each in advice.ranked)


def _requests(experiment: Experiment, spans_ms: list[tuple[float, float]]) -> list[Request]:
    return [
        Request(sample(experiment=experiment), invocation("lambda", experiment, 0, begin, end).invocation, None)
        for begin, end in spans_ms
    ]


def test_bursts_that_fill_an_instance_tell_how_much_slower_requests_are() -> None:
    alone = _requests("closed", [(100.0 * index, 100.0 * index + 10) for index in range(50)])
    # Four at a time, each batch taking 30 ms; a fifth comes alone in the end.
    bursts = _requests("burst", [(30.0 * batch, 30.0 * batch + 30) for batch in range(10) for _ in range(4)])
    bursts += _requests("burst", [(300.0, 310.0)])

    assert slowdowns_of(alone, bursts, 4) == ((4, pytest.approx(3.0)),)
    assert slowdowns_of(alone, bursts, 8) == ()
    assert slowdowns_of(alone, bursts, 1) == ()
    assert slowdowns_of(alone, bursts[:8], 4) == ()


def test_it_is_said_that_a_cold_start_pulls_no_image_unless_that_is_added() -> None:
    """A request in ten minutes meets a cold start of 500 ms each time; its p99 tells how long that takes."""
    rare = replace(THREE[0], max_requests_per_instance=1)
    plain, later = (
        min(advise_at((rare,), 1 / 600, 5000, **more).ranked, key=lambda each: each.option.kept_instances)
        for more in ({}, {"start_extra_ms": 2000.0})
    )

    assert "--start-extra-ms adds it" in " ".join(advise_at((rare,), 1, 50).assumptions)
    assert "takes 2,000 ms longer than was measured" in " ".join(
        advise_at((rare,), 1, 50, start_extra_ms=2000.0).assumptions
    )
    assert plain.cold_share == pytest.approx(later.cold_share, abs=0.02)
    assert plain.cold_share > 0.5
    assert later.p99_ms == pytest.approx(plain.p99_ms + 2000)
    # Lambda does not bill what comes before init.
    assert later.usd_per_month == pytest.approx(plain.usd_per_month, rel=0.02)


@pytest.mark.parametrize("more", [{"start_extra_ms": -1.0}, {"start_extra_ms": float("nan")}])
def test_a_market_that_is_none_is_refused(more: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="0 ms longer or more"):
        Market(50, PRICES, **more)
    with pytest.raises(OptionError, match="an objective above 0 ms"):
        Market(-1, PRICES)


def test_a_way_of_billing_that_is_left_out_is_named() -> None:
    """Google does not say what idle minimum instances cost where requests are billed."""
    advice = advise_at(THREE[2:], 1 / 3600, 50)
    known = PriceTable(
        tuple(replace(row, usd=0.0000025) if row.item == "idle minimum instances" else row for row in PRICES.rows)
    )
    priced = advise(THREE[2:], SteadyDemand(1 / 3600), Market(50, known), requests=5000)

    assert (advice.winner.option.kept_instances, advice.winner.billing) == (1, "instance-based")
    assert advice.winner.ways_left_out == {"request-based": ("idle minimum instances",)}
    (note,) = (each for each in advice.assumptions if "idle minimum instances" in each)
    assert note.startswith(
        "Cloud Run with instances that always run is taken with instance-based billing: request-based"
    )
    assert priced.winner.billing == "request-based"
    assert priced.winner.ways_left_out == {}
    assert not any("idle minimum instances" in each for each in priced.assumptions)


def test_it_is_said_whether_sharing_an_instance_was_measured() -> None:
    shared = replace(THREE[2], behaviour=replace(THREE[2].behaviour, workers=None))
    slower = replace(shared, behaviour=replace(shared.behaviour, slowdowns=((4, 3.0),)))

    assert "assumed, no burst measured it" in " ".join(advise_at((shared,), 1, 50).assumptions)
    assert "4 requests at a time take 3 times as long, by its bursts" in " ".join(
        advise_at((slower,), 1, 50).assumptions
    )
