"""JSON keeps its published schema, CSV and Markdown read back, and nothing unmeasured becomes a number."""

import csv
import dataclasses
import io
import json
import math
import re
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console
from synthetic_runs import comparison, sweep
from version_1_run import write_version_1

from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.analysis.results import COLD_PHASES, REQUEST_PARTS
from serverless_dnn.bench.analysis.statistics import Interval
from serverless_dnn.bench.analysis.summary import summarize
from serverless_dnn.bench.configuration import Finding
from serverless_dnn.bench.report.formats import json_schema, render
from serverless_dnn.bench.report.page import render_report
from serverless_dnn.bench.report.printing import print_probes
from serverless_dnn.bench.report.table import print_run
from serverless_dnn.bench.run_folder import read_run

CHECKER = jsonschema.Draft202012Validator(json_schema(), format_checker=jsonschema.FormatChecker())


def _version_1(folder: Path):
    write_version_1(folder)
    data = read_run(folder)
    return data, summarize(data)


@pytest.fixture(params=["comparison", "sweep", "computed", "version 1"])
def run(request, tmp_path: Path):
    if request.param == "comparison":
        return comparison(findings=[Finding("UNSTABLE", "doubtful", "windows | differ", "lambda")])
    if request.param == "sweep":
        return sweep()
    if request.param == "computed":
        data, _ = sweep()
        return data, summarize(data, slo_p99_ms=20)
    return _version_1(tmp_path)


def test_json_keeps_the_schema(run) -> None:
    data, summary = run

    document = json.loads(render("json", data, summary))

    CHECKER.validate(document)
    assert document["answer"] == summary.answer
    assert document["verdict"] == data.run.verdict
    for each, told in zip(summary.configurations, document["configurations"], strict=True):
        closed = each.warm["closed"]
        assert told["experiments"]["closed"]["percentiles_ms"]["p50"]["value"] == closed.percentiles_ms[50].value
        assert set(told["experiments"]["closed"]["percentiles_ms"]) == {f"p{each:g}" for each in closed.percentiles_ms}
        assert math.isclose(sum(told["experiments"]["closed"]["parts_ms"].values()), closed.mean_ms)


def test_the_schema_is_one_and_forbids_what_it_does_not_know() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    document = json.loads(render("json", *comparison()))

    document["configurations"][0]["experiments"]["closed"]["p99"] = 1
    with pytest.raises(jsonschema.ValidationError, match="p99"):
        CHECKER.validate(document)
    with pytest.raises(jsonschema.ValidationError, match="answer"):
        CHECKER.validate(
            {name: value for name, value in json.loads(render("json", *comparison())).items() if name != "answer"}
        )


def test_the_schema_knows_every_part_and_phase() -> None:
    known = json_schema()["$defs"]

    assert known["experiment"]["properties"]["parts_ms"]["propertyNames"]["enum"] == list(REQUEST_PARTS)
    assert known["cold_start"]["properties"]["phases_ms"]["propertyNames"]["enum"] == list(COLD_PHASES)


def test_csv_has_a_row_for_each_configuration_and_experiment(run) -> None:
    data, summary = run

    rows = list(csv.DictReader(io.StringIO(render("csv", data, summary))))

    expected = [(each.label, experiment) for each in summary.configurations for experiment in each.warm]
    assert [(row["configuration"], row["experiment"]) for row in rows] == expected
    for row in rows:
        each = summary.of(row["configuration"])
        warm = each.warm[row["experiment"]]
        assert float(row["p50_ms"]) == warm.percentiles_ms[50].value
        assert (row["p99_ms"] == "") == (99 not in warm.percentiles_ms)
        assert int(row["failures"]) == sum(warm.failures.values())
        usd = each.cost.per_million_usd if each.cost else None
        assert row["usd_per_million"] == ("" if usd is None else str(usd))
        assert None not in row.values()
        assert None not in row


def test_csv_says_what_cannot_be_told_by_an_empty_field() -> None:
    data, summary = sweep()
    states = dict(zip([each.label for each in summary.configurations], ["kept", "missed", "undecided"], strict=False))
    cost = dataclasses.replace(summary.configurations[0].cost, per_million_interval=Interval(0.5, 0.75))
    first = dataclasses.replace(summary.configurations[0], cost=cost)
    summary = dataclasses.replace(summary, objective=states, configurations=(first, *summary.configurations[1:]))

    rows = list(csv.DictReader(io.StringIO(render("csv", data, summary))))

    told = {row["configuration"]: row["within_slo"] for row in rows}
    assert list(told.values())[:4] == ["true", "false", "", ""]
    assert [rows[0][f"usd_per_million_{end}"] for end in ("low", "high")] == ["0.5", "0.75"]
    assert {row["verdict"] for row in rows} == {"VALID"}
    CHECKER.validate(json.loads(render("json", data, summary)))


def test_a_search_for_the_capacity_pools_nothing() -> None:
    data, _ = comparison()
    probes = [
        Probe("lambda", "rate", 40.0, 500, 0, 39.0, 12.0, 18.0, True, 41.5),
        Probe("lambda", "rate", 80.0, 100, 0, 61.0, 90.0, None, None, 76.0),
    ]
    data = dataclasses.replace(data, run=dataclasses.replace(data.run, kind="capacity", probes=probes))
    out = io.StringIO()

    summary = summarize(data, slo_p99_ms=20)
    print_run(data, summary, Console(file=out, width=80))
    print_probes(probes, Console(file=out, width=80), has_objective=True)

    assert re.search(r"lambda +80\.0 +76\.0 +100 +0 +61\.0 +90\.0 +– +undecided", out.getvalue())
    assert "…" not in out.getvalue()
    assert all(each.warm == {} and each.cost is None for each in summary.configurations)
    assert "million" not in out.getvalue()
    page = render_report(data, summary)
    assert "The numbers" not in page
    for text in (summary.answer, page, render("markdown", data, summary)):
        assert "lambda keeps p99 within 20 ms with at least 41.5 requests/s" in text.replace("\xa0", " ")
    assert "| lambda | 80.0 requests/s | 76.0 | 100 | 0 | 61.0 | 90.0 | – | undecided |" in render(
        "markdown", data, summary
    )
    rows = [
        row for row in csv.DictReader(io.StringIO(render("csv", data, summary))) if row["configuration"] == "lambda"
    ]
    assert [(row["probe_offered_rate"], row["probe_keeps_objective"]) for row in rows] == [
        ("41.5", "true"),
        ("76.0", ""),
    ]
    CHECKER.validate(json.loads(render("json", data, summary)))


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_run_of_which_hardly_anything_was_answered(kept: int) -> None:
    data, _ = comparison()
    failed = [dataclasses.replace(each, status="UNAVAILABLE", server_compute_ns=None) for each in data.samples]
    data = dataclasses.replace(data, samples=[*data.samples[:kept], *failed[kept:]])
    summary = summarize(data, slo_p99_ms=20)
    out = io.StringIO()

    print_run(data, summary, Console(file=out, width=80))

    CHECKER.validate(json.loads(render("json", data, summary)))
    assert summary.answer in " ".join(out.getvalue().split())
    assert f"Failed on lambda: {80 - kept} UNAVAILABLE" in out.getvalue()
    assert "UNAVAILABLE" in render("markdown", data, summary)
    assert f"{80 - kept} UNAVAILABLE" in render_report(data, summary)
    rows = list(csv.DictReader(io.StringIO(render("csv", data, summary))))
    assert all(row["p50_ms"] == "" for row in rows if row["configuration"] != "lambda")


def test_a_run_with_nothing_at_all() -> None:
    data, _ = comparison()
    data = dataclasses.replace(data, samples=[], run=dataclasses.replace(data.run, configurations=[]))
    summary = summarize(data)
    out = io.StringIO()

    print_run(data, summary, Console(file=out, width=80))

    CHECKER.validate(json.loads(render("json", data, summary)))
    assert summary.answer in " ".join(out.getvalue().split())
    assert summary.answer in render_report(data, summary)


def test_markdown_is_a_table_for_a_pull_request() -> None:
    data, summary = comparison(findings=[Finding("UNSTABLE", "doubtful", "windows | differ <b>", "lambda")])

    blocks = render("markdown", data, summary).split("\n\n")

    assert blocks[0] == f"**{summary.answer}**"
    lines = next(block for block in blocks if "closed p50 ms" in block).splitlines()
    assert [line.count("|") for line in lines] == [lines[0].count("|")] * 7
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {each.label}" for each in summary.configurations]
    assert "- UNSTABLE (lambda): windows \\| differ &lt;b>" in render("markdown", data, summary)
    assert any(block.startswith("Failed: cloudrun: 2 UNAVAILABLE") for block in blocks)
