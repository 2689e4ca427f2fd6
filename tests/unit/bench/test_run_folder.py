"""A run is written whole or not at all, reads back equal, and renders from its folder alone."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from serverless_dnn.bench.errors import RunFolderError
from serverless_dnn.bench.experiment import PlatformResult, compare_outputs, judge_samples
from serverless_dnn.bench.report import render_report, write_report
from serverless_dnn.bench.run_folder import Run, finish_folder, partial_folder, read_run, write_run
from serverless_dnn.bench.samples import Sample
from serverless_dnn.bench.summary import PARTS, summarize_cold, summarize_warm
from serverless_dnn.bench.table import print_run

_MS = 1_000_000


def _sample(experiment: str, index: int = 0, **more: object) -> Sample:
    sample = Sample("lambda", experiment, index, 0, 20 * _MS, "OK", None, 100, 50, 1 * _MS, 17 * _MS, 2 * _MS, 1 * _MS, 1 * _MS, 5 * _MS, 1 * _MS, 9 * _MS, instance="a")  # fmt: skip
    return dataclasses.replace(sample, **more)


SAMPLES = [
    _sample(
        "cold",
        latency_ns=900 * _MS,
        cold=True,
        cold_ns=700 * _MS,
        cold_import_ns=300 * _MS,
        cold_load_ns=200 * _MS,
        engine="openvino 1",
    ),
    *(_sample("sequential", index, latency_ns=(20 + index) * _MS) for index in range(10)),
    *(_sample("burst", index) for index in range(9)),
    Sample("lambda", "burst", 9, 0, 5 * _MS, "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED: Rate Exceeded."),
]
FACTS = {
    "name": "lambda",
    "title": "t",
    "customization": "function",
    "protocol": "REST",
    "model_server": "s",
    "limits": {},
}
RUN = Run(
    model="m", started="2026-01-01T00:00:00+00:00", options={"requests": 10}, photograph="p <b>", platforms=[FACTS],
    machine={"cpu": "c", "cores": 2, "isa": ["avx2"]}, packages={"numpy": "1"}, git_revision=None,
    largest_difference=None, reasons=["because <script>"],
)  # fmt: skip


def test_a_run_reads_back_equal(tmp_path: Path) -> None:
    write_run(tmp_path, RUN, SAMPLES)

    assert read_run(tmp_path) == (RUN, SAMPLES)
    assert json.loads((tmp_path / "run.json").read_text())["verdict"] == "INVALID"


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is not a run's folder"):
        read_run(tmp_path)
    write_run(tmp_path, dataclasses.replace(RUN, schema_version=99), SAMPLES)
    with pytest.raises(RunFolderError, match="schema version 99, this version reads 1"):
        read_run(tmp_path)


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), partial_folder(tmp_path, "m") as folder:
        (folder / "half").write_text("written")
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_has_a_name_without_dots(tmp_path: Path) -> None:
    with partial_folder(tmp_path, "m") as folder:
        assert folder.name.startswith(".")
        done = finish_folder(folder)

    assert list(tmp_path.iterdir()) == [done]
    assert done.name.endswith("-m")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot make"), partial_folder(tmp_path / "file", "m"):
        pass


def test_failures_are_counted_apart_from_latencies() -> None:
    burst = summarize_warm(SAMPLES, "lambda", "burst")

    assert burst.requests == 10
    assert burst.failures == {"RESOURCE_EXHAUSTED": 1}
    assert burst.p50_ms == burst.p99_ms == 20


def test_the_parts_of_a_request_add_up_to_it() -> None:
    row = summarize_warm([_sample("sequential", 0)], "lambda", "sequential")

    assert list(row.parts_ms) == list(PARTS)
    assert sum(row.parts_ms.values()) == pytest.approx(20)
    assert row.parts_ms["network and platform"] == pytest.approx(9)
    assert row.overhead_share == 0.75


def test_the_phases_of_a_cold_start_add_up_to_it() -> None:
    row = summarize_cold(SAMPLES, "lambda")

    assert row.phases_ms == {
        "process": 200,
        "import": 300,
        "load model": 200,
        "first inference": 5,
        "platform": 195,
    }
    assert sum(row.phases_ms.values()) == row.total_ms == 900
    assert summarize_cold(SAMPLES, "cloudrun").failure == "not run"


def test_pages_and_tables_come_from_the_folder_alone(tmp_path: Path) -> None:
    write_run(tmp_path, RUN, SAMPLES)
    page = write_report(tmp_path).read_text()
    console = Console(width=200, record=True)

    print_run(*read_run(tmp_path), console)

    assert render_report(RUN, SAMPLES) == page
    assert "because &lt;script&gt;" in page
    assert page.count("<svg") == 3
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://matplotlib.org", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "")
    assert "INVALID" in console.export_text()


def test_outputs_are_compared_pair_by_pair() -> None:
    def result(value: float) -> PlatformResult:
        return PlatformResult([], {"y": np.array([[value]])})

    assert compare_outputs({"a": result(1), "b": result(1 + 5e-5)}) == (pytest.approx(5e-5), [])
    assert compare_outputs({"a": result(1)}) == (None, [])
    largest, reasons = compare_outputs({"a": result(1), "b": result(2), "c": result(1)})
    assert largest == 1
    assert len(reasons) == 2
    assert compare_outputs({"a": result(1), "b": result(np.nan)})[1]
    assert compare_outputs({"a": result(1), "b": PlatformResult([], {"y": np.zeros(3)})})[1]
    assert compare_outputs({"a": result(1), "b": PlatformResult([], None)})[1] == ["b answered no warm request"]


def test_a_run_is_judged_by_its_requests() -> None:
    assert judge_samples(SAMPLES[:-1]) == []
    assert "1 of the burst requests failed" in judge_samples(SAMPLES)[0]
    assert "had answered before" in judge_samples([_sample("cold")])[0]
    assert "after the warm-up" in judge_samples([_sample("burst", cold=True)])[0]
