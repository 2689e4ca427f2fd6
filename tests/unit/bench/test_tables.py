"""The terminal's tables read whole at any width, and say no more than was measured."""

import dataclasses
import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from synthetic_runs import comparison, sweep
from version_1_run import write_version_1

from serverless_dnn.bench.analysis.comparison import Change, Comparison, Difference
from serverless_dnn.bench.analysis.results import Estimate
from serverless_dnn.bench.analysis.statistics import Interval
from serverless_dnn.bench.analysis.summary import summarize
from serverless_dnn.bench.configuration import Finding
from serverless_dnn.bench.report import wording
from serverless_dnn.bench.report.comparison_report import print_comparison
from serverless_dnn.bench.report.page import render_report
from serverless_dnn.bench.report.table import print_run
from serverless_dnn.bench.report.view import fold_slivers
from serverless_dnn.bench.run_folder import read_run

BUSY = Finding("BUSY MACHINE", "doubtful", "other processes used 0.8 of 2 cores: stop them and measure again")
WRONG = Finding("OUTPUTS DIFFER", "invalid", "expected at most 0.0001, got 0.3", "lambda")


def _printed(data, summary, width: int) -> list[str]:
    out = io.StringIO()
    print_run(data, summary, Console(file=out, width=width))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("make", [comparison, sweep])
def test_nothing_is_cut_at_any_width(make, width: int) -> None:
    data, summary = make()

    lines = _printed(data, summary, width)

    text = "\n".join(lines)
    assert max(map(cell_len, lines)) <= width
    assert "…" not in text
    for each in summary.configurations:
        # A label is on one line, and beside it a median with all its digits.
        median = wording.number(each.warm["closed"].percentiles_ms[50].value)
        assert re.search(rf"^{each.label} +{re.escape(median)} ", text, re.MULTILINE)


def test_the_answer_is_first_and_the_verdict_last() -> None:
    lines = _printed(*comparison(findings=[BUSY]), 80)

    assert lines[0].startswith("Cloud Run answers fastest, in 7.5 ms")
    verdict = next(index for index, line in enumerate(lines) if line.startswith("DOUBTFUL"))
    assert " ".join(" ".join(lines[verdict + 1 :]).split()) == f"BUSY MACHINE: {BUSY.message}"
    assert all(line.startswith("  ") for line in lines[verdict + 1 :])


def test_a_finding_says_whom_it_concerns() -> None:
    lines = _printed(*comparison(findings=[WRONG]), 120)

    assert any(line.startswith("INVALID") for line in lines)
    assert any("OUTPUTS DIFFER (lambda): expected at most 0.0001, got 0.3" in line for line in lines)


def test_headers_have_units_and_failures_their_status() -> None:
    data, summary = comparison()
    lines = _printed(data, summary, 80)

    header = next(index for index, line in enumerate(lines) if line.startswith("configuration"))
    stacked = [line.split() for line in lines[header - 3 : header + 1]]
    assert stacked[-1].count("ms") >= 4
    assert "$ per" in " ".join(" ".join(lines[header - 3 : header + 1]).split()).replace("\xa0", " ")
    cloudrun = next(line for line in lines if line.startswith("cloudrun "))
    assert cloudrun.split()[-1] == "2"
    assert "Failed on cloudrun: 2 UNAVAILABLE" in lines


def test_a_percentile_that_is_not_carried_is_a_dash() -> None:
    few = _printed(*comparison(count=40), 200)
    many = _printed(*comparison(count=200), 200)

    place = few[next(index for index, line in enumerate(few) if line.startswith("configuration")) - 1]
    assert "p99" in place
    assert wording.ABSENT in next(line for line in few if line.startswith("cloudrun "))
    assert wording.ABSENT not in next(line for line in many if line.startswith("cloudrun "))


def test_a_closed_loop_is_called_by_how_many_are_in_flight() -> None:
    data, summary = comparison()

    assert "closed (one after another)" in "\n".join(_printed(data, summary, 200))
    several = dataclasses.replace(summary, in_flight=8)
    assert "closed (8 at a time)" in "\n".join(_printed(data, several, 200))
    assert "one after another" not in "\n".join(_printed(data, several, 200))
    assert "8 at a time" in render_report(data, several)
    assert "one after another" not in render_report(data, several)


def test_a_sentence_may_begin_with_a_label() -> None:
    text = "For m, lambda 2048 MB answers in 1.5 ms. lambda 1024 MB is cheapest at $1.00. $2 is more."

    assert wording.sentences(text) == (
        "For m, lambda 2048 MB answers in 1.5 ms.", "lambda 1024 MB is cheapest at $1.00.", "$2 is more.",
    )  # fmt: skip


def test_a_single_cold_start_is_flagged() -> None:
    flagged = "n = 1: a single start does not show how much they vary."

    assert flagged in " ".join(" ".join(_printed(*comparison(starts=1), 80)).split())
    assert flagged not in " ".join(" ".join(_printed(*comparison(starts=8), 80)).split())


def test_no_escape_codes_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    out, tty = io.StringIO(), io.StringIO()
    data, summary = comparison(findings=[WRONG])

    print_run(data, summary, Console(file=out))
    print_run(data, summary, Console(file=tty, force_terminal=True, color_system="standard", width=80))

    assert "\x1b" not in out.getvalue()
    assert "\x1b" in tty.getvalue()
    assert max(map(cell_len, out.getvalue().splitlines())) <= 80


def test_text_of_the_run_is_never_markup() -> None:
    data, summary = comparison(findings=[Finding("FAILED REQUESTS", "invalid", "got [red]this[/red] [x]")])
    summary = dataclasses.replace(summary, answer="[bold]An answer[/bold].")

    text = "\n".join(_printed(data, summary, 80))

    assert "[bold]An answer[/bold]." in text
    assert "got [red]this[/red] [x]" in text


def test_a_run_of_version_1_is_printed(tmp_path: Path) -> None:
    write_version_1(tmp_path)
    data = read_run(tmp_path)

    text = "\n".join(_printed(data, summarize(data), 80))

    assert re.search(r"^lambda +28\.0 ", text, re.MULTILINE)
    assert re.search(r"^cloudrun +8\.00 ", text, re.MULTILINE)
    assert "Failed on lambda: 1 UNAVAILABLE" in text


def test_slivers_are_put_together_and_nothing_is_lost() -> None:
    rows = {"a": {"x": 90.0, "y": 1.0, "z": 1.5, "w": 7.5}, "b": {"x": 50.0, "y": 0.5, "w": 49.5}}

    folded = fold_slivers(rows, ["y", "x", "z", "w"])

    assert folded.names == ("x", "w", "other")
    assert folded.folded == ("y", "z")
    assert {label: sum(parts.values()) for label, parts in folded.rows.items()} == {"a": 100, "b": 100}
    assert fold_slivers({"a": {"x": 99.5, "y": 0.5}}, ["x", "y"]).names == ("x", "y"), "one alone keeps its name"
    assert fold_slivers(rows, ["y", "x", "z", "w"], most=2).names == ("x", "other")
    assert fold_slivers({"a": {}}, ["x"]).names == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0.00"), (0.0123, "0.012"), (1.234, "1.23"), (9.994, "9.99"), (9.996, "10.0"), (99.96, "100"), (12345.6, "12,346")],
)  # fmt: skip
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("count", "text"), [(None, "–"), (999, "999 B"), (4072, "4.07 kB"), (602_169, "602 kB"), (999_600, "1.00 MB"), (1_786_372, "1.79 MB")]
)  # fmt: skip
def test_bytes_have_a_unit(count: int | None, text: str) -> None:
    assert wording.size(count) == text


def _change(metric: str, before: float, after: float, low: float, high: float, *, changed: bool | None) -> Change:
    experiment = None if metric in ("cost", "failures") else "closed"
    ratio = Estimate(after / before, Interval(low, high), 4)
    return Change("lambda 1769 MB openvino", experiment, metric, before, after, ratio, changed)


def test_a_comparison_says_what_changed_and_by_how_much() -> None:
    out = io.StringIO()
    changes = (
        _change("p50", 20, 25, 1.2, 1.3, changed=True),
        _change("p99", 30, 30.1, 0.9, 1.1, changed=False),
        _change("cost", 0.5, 0.4, 0.7, 0.9, changed=True),
        _change("p90", 20, 26, 0.5, 2, changed=None),
    )

    print_comparison(
        Comparison(changes, (Difference("package numpy", "2.4.5", "2.4.6"),), ("cloudrun",), ()),
        Console(file=out, width=80),
    )

    text = out.getvalue()
    assert text.startswith("Of 3 numbers, 1 got worse and 1 got better beyond noise.")
    assert re.search(r"closed p50, ms +20\.0 +25\.0 +\+25\.0 % +\+20\.0 to \+30\.0 %", text)
    assert re.search(r"cost, \$ per million +0\.500 +0\.400 +-20\.0 % +-30\.0 to -10\.0 %", text)
    assert "closed p99" not in text
    assert "1 number of lambda 1769 MB openvino cannot be told from noise" in " ".join(text.split())
    assert "Only in the run before: cloudrun" in text
    assert "package numpy  2.4.5 → 2.4.6" in text
    assert max(map(cell_len, text.splitlines())) <= 80


def test_a_comparison_of_equals_finds_nothing() -> None:
    out = io.StringIO()

    print_comparison(
        Comparison((_change("p50", 20, 20, 0.9, 1.1, changed=False),), (), (), ()), Console(file=out, width=80)
    )
    print_comparison(Comparison((), (), ("a",), ("b",)), Console(file=out, width=80))

    assert "Nothing changed beyond noise, of 1 number." in out.getvalue()
    assert "Nothing can be compared" in out.getvalue()
