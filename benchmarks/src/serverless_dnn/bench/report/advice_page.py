"""Advice as one self-contained HTML page, with cost against latency as its picture."""

import math
from pathlib import Path

from serverless_dnn.bench.report import wording
from serverless_dnn.bench.report.advice_table import notes
from serverless_dnn.bench.report.advice_view import Question, distinct, mark, name_of, percent, shown_options
from serverless_dnn.bench.report.colors import palette, variable
from serverless_dnn.bench.report.labels import placed
from serverless_dnn.bench.report.pages import new_environment
from serverless_dnn.bench.report.svg import Axis, Plot, Point, scale_of
from serverless_dnn.bench.simulation.advice import Advice
from serverless_dnn.bench.simulation.evaluation import Prediction
from serverless_dnn.bench.whole_files import write_file

ADVICE_FILE = "advice.html"
_TITLES = {"take": "take", "next": "runner-up"}


def write_advice(folder: Path, advice: Advice, question: Question) -> Path:
    """Write advice beside a run.

    Args:
        folder: The run's folder.
        advice: The advice.
        question: What was asked.

    Returns:
        The page's path.

    Raises:
        RunFolderError: It cannot be written.
    """
    return write_file(folder / ADVICE_FILE, render_advice(advice, question))


def render_advice(advice: Advice, question: Question) -> str:
    """Render advice.

    Args:
        advice: The advice.
        question: What was asked.

    Returns:
        Self-contained HTML: nothing in it is loaded from elsewhere.
    """
    environment = new_environment()
    environment.filters["percent"] = percent
    environment.globals["isinf"] = math.isinf
    shown, more = shown_options(advice, most=2 * len(advice.ranked))
    platforms = [each.option.candidate.platform for each in advice.ranked]
    return environment.get_template("advice.html.j2").render(
        question=question,
        advice=advice,
        lines=[wording.unbroken(line) for line in advice.lines],
        platforms=list({each.option.candidate.platform: each.option.candidate.title for each in shown}.items()),
        rows=[(each, _TITLES.get(mark(advice, each), mark(advice, each)), name_of(each)) for each in shown],
        plot=picture(advice, question),
        notes=notes(advice, question, more),
        light=palette(platforms, dark=False),
        dark=palette(platforms, dark=True),
    )


def picture(advice: Advice, question: Question) -> Plot | None:
    """Monthly cost against the 99th percentile, with the objective, the winner and the runner-up marked.

    Args:
        advice: The advice.
        question: What was asked.

    Returns:
        The picture; ``None`` if fewer than two options answer their requests.
    """
    shown = [each for each in distinct(advice.ranked) if math.isfinite(each.p99_ms)]
    if len(shown) < 2:
        return None
    x = scale_of(each.usd_per_month or 0 for each in shown)
    y = scale_of([*(each.p99_ms for each in shown), question.slo_p99_ms])
    points = [_point(advice, each) for each in shown]
    return Plot(
        title="Monthly cost against p99",
        x=Axis(x, "$ a month"),
        y=Axis(y, "p99 end to end, ms"),
        points=placed(points, x, y),
        limit=(question.slo_p99_ms, f"objective {question.slo_p99_ms:g} ms"),
        height_px=360,
    )


def _point(advice: Advice, each: Prediction) -> Point:
    what = _TITLES.get(mark(advice, each), "")
    return Point(
        each.usd_per_month or 0,
        each.p99_ms,
        f"var({variable('platform', each.option.candidate.platform)})",
        f"{each.option.text}: ${wording.dollars(each.usd_per_month)} a month, p99 {wording.number(each.p99_ms)} ms, "
        f"{percent(each.within_share)} % within the objective",
        is_hollow=not each.keeps_objective,
        is_marked=bool(what),
        # Short, for the two may be neighbours; the colour and the tip tell the rest.
        label=what,
    )
