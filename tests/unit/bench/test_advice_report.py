"""Advice as text, JSON, Markdown and a page: whole in 80 columns, and nothing is made up or hidden."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from serverless_dnn.bench.analysis.prices import packaged_prices
from serverless_dnn.bench.report.advice_formats import to_json, to_markdown
from serverless_dnn.bench.report.advice_page import picture, render_advice
from serverless_dnn.bench.report.advice_table import print_advice
from serverless_dnn.bench.report.advice_view import Question, distinct, mark, percent, shown_options
from serverless_dnn.bench.simulation.advice import Advice, advise
from serverless_dnn.bench.simulation.behaviour import Behaviour
from serverless_dnn.bench.simulation.bills import Size
from serverless_dnn.bench.simulation.demand import SteadyDemand
from serverless_dnn.bench.simulation.evaluation import Market
from serverless_dnn.bench.simulation.options import Candidate, Quotas

TITLES = {"lambda": "AWS Lambda", "sagemaker": "SageMaker Serverless", "cloudrun": "Cloud Run"}


def _candidate(label: str, platform: str, memory_mb: int, service_ms: float) -> Candidate:
    behaviour = Behaviour(
        service_s=service_ms / 1e3 * np.random.default_rng(1).lognormal(0, 0.1, 400), overhead_s=np.full(400, 0.002),
        start_s=np.full(5, 0.5), start_billed_s=np.full(5, 0.4), first_service_s=np.full(5, 2 * service_ms / 1e3),
        first_overhead_s=np.full(5, 0.002), workers=1,
    )  # fmt: skip
    size = Size(platform, memory_mb, 1.0, 600_000)
    return Candidate(label, TITLES[platform], "", size, behaviour, 16 if platform == "cloudrun" else 1)


CANDIDATES = (
    _candidate("lambda", "lambda", 1769, 8),
    _candidate("sagemaker", "sagemaker", 2048, 8),
    _candidate("a cloudrun with a long <name> | of its own", "cloudrun", 2048, 6),
)


def _advice(slo_ms: float = 50.0, rate: float = 10.0, candidates: tuple[Candidate, ...] = CANDIDATES) -> Advice:
    market = Market(slo_ms, packaged_prices())
    return advise(candidates, SteadyDemand(rate), market, left_out={"other": "no cold start"}, requests=1000)


def _question(slo_ms: float = 50.0) -> Question:
    return Question(
        ("20261124T10-m",), "mobilenet_v1", "10 requests/s", 10.0, slo_ms, False, 0, Quotas(), 0.0, ("us-east-1 of 2026-01-01",), "a CPU",
        ("BUSY MACHINE",),
    )  # fmt: skip


def _text(advice: Advice, width: int = 80) -> str:
    stream = io.StringIO()
    print_advice(advice, _question(), Console(file=stream, width=width))
    return stream.getvalue()


ADVICE = _advice()


def test_the_answer_is_the_first_three_lines() -> None:
    assert tuple(_text(ADVICE).splitlines()[:3]) == ADVICE.lines


def test_the_table_is_whole_in_80_columns() -> None:
    lines = _text(ADVICE).splitlines()[3:]

    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    (row,) = (line for line in lines if line.startswith("take"))
    assert row.split() == [
        "take", "lambda", f"{ADVICE.winner.usd_per_month:.2f}", *row.split()[3:5], "100", "0", "0"
    ]  # fmt: skip
    assert float(row.split()[4]) == pytest.approx(ADVICE.winner.p99_ms, rel=0.01)
    assert sum(line.startswith("next") for line in lines) == 1
    assert "Left out: other: no cold start." in lines
    assert "What was measured may be off: BUSY MACHINE." in lines


def test_every_configuration_is_in_the_table_however_many_are_better() -> None:
    shown, more = shown_options(ADVICE, most=1)

    assert {each.option.candidate.label for each in shown} == {each.label for each in CANDIDATES}
    assert len(shown) + more == len(distinct(ADVICE.ranked))


def test_what_comes_to_the_same_is_shown_once() -> None:
    same = [each for each in ADVICE.ranked if each.option.candidate.platform == "cloudrun"]
    doubled = [*same, replace(same[0], option=replace(same[0].option, requests_per_instance=99))]

    assert len(distinct(doubled)) == len(distinct(same))


def test_where_nothing_keeps_the_objective_the_nearest_is_first_and_all_miss() -> None:
    advice = _advice(slo_ms=7.5)
    shown, _ = shown_options(advice)

    assert advice.winner is None
    assert shown[0].within_share == max(each.within_share for each in advice.ranked)
    assert {mark(advice, each) for each in shown} == {"misses"}


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0"), (1, "100"), (0.999999, "99.99"), (1e-7, "<0.01"), (0.005, "0.50"), (0.5, "50.0"), (0.99, "99.0")],
)
def test_a_share_is_not_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert percent(share) == text


def test_the_json_says_everything() -> None:
    document = json.loads(to_json(ADVICE, _question()))

    assert document["answer"] == list(ADVICE.lines)
    assert document["winner"]["platform"] == "lambda"
    assert document["winner"]["p99_ms"] == ADVICE.winner.p99_ms
    assert document["winner"] == document["options"][0]
    assert document["runner_up"]["label"] == ADVICE.runner_up.option.candidate.label
    assert len(document["options"]) == len(ADVICE.ranked)
    assert document["question"]["slo_p99_ms"] == 50.0
    (nearest, *_) = document["changes"]["rates"]
    assert nearest.keys() == {"from_rate", "to_rate", "is_above", "reason", "option"}
    assert nearest["option"]["platform"] == "cloudrun"
    assert document["changes"]["price_rise"].keys() == {"share", "option"}
    assert document["question"]["quotas"]["cloud_run_instances"] == 100
    assert document["question"]["start_extra_ms"] == 0
    assert document["assumptions"] == list(ADVICE.assumptions)
    assert document["left_out"] == {"other": "no cold start"}


def test_the_json_names_the_way_of_billing_that_was_left_out_for_an_unknown_price() -> None:
    rare = _advice(rate=1 / 3600, candidates=CANDIDATES[2:])
    document = json.loads(to_json(rare, _question()))

    assert document["winner"]["billing"] == "instance-based"
    assert document["winner"]["billing_left_out"] == {"request-based": ["idle minimum instances"]}
    for text in (to_markdown(rare, _question()), render_advice(rare, _question())):
        assert "needs the price of idle minimum instances, which is unknown" in text


def test_every_form_says_that_no_image_was_pulled() -> None:
    said = "a cloud may have to pull it first, which is not counted: --start-extra-ms adds it"

    for text in (to_json(ADVICE, _question()), to_markdown(ADVICE, _question()), render_advice(ADVICE, _question())):
        assert said in text
    assert said in " ".join(_text(ADVICE, width=400).split())


def test_what_is_out_of_reach_is_null_in_json_and_a_dash_elsewhere() -> None:
    slow = _candidate("sagemaker", "sagemaker", 2048, 2000)
    advice = _advice(slo_ms=9000, rate=1000, candidates=(slow,))
    document = json.loads(to_json(advice, _question()))

    assert document["winner"] is None
    assert document["options"][0]["p99_ms"] is None
    assert document["options"][0]["refused_share"] > 0.5
    assert " – " in to_markdown(advice, _question())
    assert picture(advice, _question()) is None
    assert "Cost against latency" not in render_advice(advice, _question())


def test_markdown_has_a_whole_table() -> None:
    text = to_markdown(ADVICE, _question())
    rows = [line for line in text.splitlines() if line.startswith("|")]

    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    assert rows[2].startswith("| take | lambda | ")
    assert text.startswith("Take AWS Lambda")


class _Loaded(HTMLParser):
    """What a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {name}={value}" for name, value in attrs if name in ("src", "href", "srcset", "data")]


def test_the_page_is_self_contained_and_quotes_what_it_is_given() -> None:
    page = render_advice(ADVICE, _question())
    loaded = _Loaded()
    loaded.feed(page)

    assert loaded.found == []
    assert "@import" not in page
    assert "url(" not in page
    assert "<name>" not in page
    assert "&lt;name&gt;" in page
    assert page.count("<h1>") == 1
    assert "None" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.DOTALL)


def test_the_picture_marks_the_objective_the_choice_and_the_runner_up() -> None:
    plot = picture(ADVICE, _question())
    marked = {point.label: point for point in plot.points if point.is_marked}

    assert plot.limit == (50.0, "objective 50 ms")
    assert 0 < plot.y.scale.at(50.0) < 1
    assert set(marked) == {"take", "runner-up"}
    assert marked["take"].tip.startswith("AWS Lambda with 1769 MB: $")
    assert (marked["take"].x, marked["take"].y) == (ADVICE.winner.usd_per_month, ADVICE.winner.p99_ms)
