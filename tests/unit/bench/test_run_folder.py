"""A run is written whole or not at all, reads back equal, and runs of older versions are read."""

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from synthetic_runs import comparison, sweep
from version_1_run import LIMITS, write_version_1

from serverless_dnn.bench.analysis.prices import Price, packaged_prices
from serverless_dnn.bench.configuration import Finding
from serverless_dnn.bench.errors import RunFolderError
from serverless_dnn.bench.load.samples import COLUMNS
from serverless_dnn.bench.recorded_run import (
    RecordedInstance,
    RecordedInvocation,
    RecordedStep,
    Run,
    RunData,
    prices_of,
)
from serverless_dnn.bench.run_folder import finish_folder, partial_folder, read_run, write_run
from serverless_dnn.bench.targets.records import InstanceRecord, Invocation

MS = 1_000_000


def _with_records(data: RunData) -> RunData:
    invocation = Invocation("id", "lambda-1", "error", "Runtime.ExitError", 1, 2, 3, None, 1769, 312)
    instance = InstanceRecord("lambda-1", 1, 2, None, None, None, 312, None)
    return dataclasses.replace(
        data,
        invocations=[RecordedInvocation("lambda-1769", "closed", 2, "lambda", invocation)],
        instances=[RecordedInstance("lambda-1769", instance)],
        steps=[RecordedStep("lambda", "closed", 0, 40, 600, 300, None)],
    )


@pytest.mark.parametrize("make", [comparison, sweep])
def test_a_run_reads_back_equal(tmp_path: Path, make) -> None:
    data = _with_records(make()[0])

    write_run(tmp_path, data)

    assert read_run(tmp_path) == data
    assert json.loads((tmp_path / "run.json").read_text())["verdict"] == "VALID"
    assert [path.name for path in tmp_path.glob("*.partial")] == []


def test_a_run_keeps_the_prices_it_was_made_with(tmp_path: Path) -> None:
    """Whoever shows it again gets the same costs, also once the list prices are others."""
    price = Price("lambda", "requests", "here", "request", 0.0, 1.5, None, "2026", "me", "known")
    data, _ = comparison()
    write_run(tmp_path, dataclasses.replace(data, run=dataclasses.replace(data.run, prices=(price,))))

    assert prices_of(read_run(tmp_path).run).rows == (price,)
    document = json.loads((tmp_path / "run.json").read_text())
    del document["prices"]
    (tmp_path / "run.json").write_text(json.dumps(document))
    assert prices_of(read_run(tmp_path).run) == packaged_prices()


def test_columns_carry_their_meaning_and_are_whole_nanoseconds(tmp_path: Path) -> None:
    write_run(tmp_path, comparison()[0])

    schema = pq.read_schema(tmp_path / "requests.parquet")

    assert schema.names == list(COLUMNS)
    for column in schema:
        assert column.metadata[b"meaning"].decode() == COLUMNS[column.name]["meaning"]
        if column.name.endswith("_ns"):
            assert (str(column.type), column.metadata[b"unit"]) == ("int64", b"ns")


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is not a run's folder"):
        read_run(tmp_path)
    data, _ = comparison()
    write_run(tmp_path, dataclasses.replace(data, run=dataclasses.replace(data.run, schema_version=99)))
    with pytest.raises(RunFolderError, match="schema version 99, this version reads 1 to 2: use a newer version"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text('{"schema_version": 2, "model": "m"}')
    with pytest.raises(RunFolderError, match="is not a run's folder"):
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


def test_a_folder_that_cannot_be_made_or_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot make"), partial_folder(tmp_path / "file", "m"):
        pass
    with pytest.raises(RunFolderError, match="cannot write"):
        write_run(tmp_path / "missing", comparison()[0])


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([], "VALID"),
        ([Finding("UNSTABLE", "doubtful", "m")], "DOUBTFUL"),
        ([Finding("UNSTABLE", "doubtful", "m"), Finding("WRONG KIND", "invalid", "m")], "INVALID"),
        ([Finding("WRONG KIND", "invalid", "m"), Finding("INCOMPLETE", "invalid", "m")], "INCOMPLETE"),
    ],
)
def test_the_gravest_finding_is_the_verdict(findings: list[Finding], verdict: str) -> None:
    assert comparison(findings=findings)[0].run.verdict == verdict


def test_a_run_of_version_1_is_read(tmp_path: Path) -> None:
    write_version_1(tmp_path)

    data = read_run(tmp_path)

    run = data.run
    assert (run.kind, run.model, run.input, run.verdict) == ("run", "mobilenet_v1", "Grace Hopper", "VALID")
    assert (run.duration_s, run.seed, run.largest_difference) == (None, None, 1.5e-9)
    first, second = run.configurations
    assert (first.label, first.title, first.configuration.body_format) == ("lambda", "AWS Lambda", "json")
    assert (second.label, second.title, second.configuration.body_format) == ("cloudrun", "Cloud Run", "protobuf")
    assert (first.configuration.instances, second.configuration.requests_per_instance) == (2, 80)
    assert first.configuration.memory_mb is None, "nothing was enforced"
    assert first.limits == LIMITS["lambda"]
    assert first.bytes_sent == 602_169
    assert {sample.experiment for sample in data.samples} == {"cold", "warmup", "closed", "burst"}
    assert len(data.samples) == 16
    cold = data.samples[0]
    assert (cold.cold_engine_ns, cold.cold_import_ns) == (60 * MS, None), "it timed the engine's import"
    closed = next(sample for sample in data.samples if sample.experiment == "closed")
    # Due at 1000 ns; the client had it for all but half a millisecond of the latency.
    assert (closed.scheduled_ns, closed.sent_ns) == (1000, 1000 + MS // 2)
    failed = next(sample for sample in data.samples if sample.status != "OK")
    assert (failed.status, failed.sent_ns, failed.wait_ns) == ("UNAVAILABLE", failed.scheduled_ns, None)


def test_reasons_of_version_1_are_findings(tmp_path: Path) -> None:
    write_version_1(
        tmp_path,
        (
            "lambda and cloudrun differ by 0.3, more than 0.0001",
            "lambda: 1 of the burst requests failed, the first with UNAVAILABLE: gone",
            "cloudrun: an instance started during burst, after the warm-up",
        ),
    )

    run = read_run(tmp_path).run

    assert run.verdict == "INVALID"
    assert [(each.code, each.configuration) for each in run.findings] == [
        ("OUTPUTS DIFFER", None),
        ("FAILED REQUESTS", "lambda"),
        ("WRONG KIND", "cloudrun"),
    ]
    assert run.findings[1].message == "1 of the burst requests failed, the first with UNAVAILABLE: gone"


def test_an_upgraded_run_is_written_in_todays_version(tmp_path: Path) -> None:
    write_version_1(tmp_path)
    data = read_run(tmp_path)

    write_run(tmp_path, data)

    assert json.loads((tmp_path / "run.json").read_text())["schema_version"] == Run.schema_version == 2
    again = read_run(tmp_path)
    assert (again.run, again.samples) == (data.run, data.samples)
