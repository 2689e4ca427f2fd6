"""A run on disk: ``run.json``, its tables as parquet, ``report.html``, ``logs/``; written as partial, then renamed."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import Field, asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from serverless_dnn.bench.analysis.prices import Price
from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.configuration import Configuration, Finding, MeasuredConfiguration
from serverless_dnn.bench.errors import RunFolderError
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.recorded_run import (
    SCHEMA_VERSION,
    RecordedInstance,
    RecordedInvocation,
    RecordedStep,
    Run,
    RunData,
)
from serverless_dnn.bench.targets.records import InstanceRecord, Invocation
from serverless_dnn.bench.whole_files import replace_file

RUN_FILE, REQUESTS_FILE, REPORT_FILE, LOG_FOLDER = "run.json", "requests.parquet", "report.html", "logs"
INVOCATIONS_FILE, INSTANCES_FILE, STEPS_FILE = "invocations.parquet", "instances.parquet", "steps.parquet"


@contextmanager
def partial_folder(runs: Path, model: str) -> Iterator[Path]:
    """Create a folder for a run in progress. If the block raises, it is removed, or kept if ``run.json`` is written.

    Args:
        runs: The folder of all runs; created if missing.
        model: Model name for the run's folder name.

    Yields:
        The folder; ``finish_folder`` gives it its final name.

    Raises:
        RunFolderError: It cannot be created.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    folder = runs / f".{stamp}-{model}.partial"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RunFolderError(f"cannot make a run's folder in {runs}: {error.strerror}") from None
    try:
        yield folder
    except BaseException:
        if (folder / RUN_FILE).exists():
            # Whatever comes after can be made anew from it.
            finish_folder(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def finish_folder(partial: Path) -> Path:
    """Give a run's folder its final name.

    Args:
        partial: The folder of the run in progress.

    Returns:
        Its final path.
    """
    return partial.rename(partial.with_name(partial.name.removeprefix(".").removesuffix(".partial")))


def write_run(folder: Path, data: RunData) -> None:
    """Write a run's data.

    Args:
        folder: The run's folder.
        data: The run.

    Raises:
        RunFolderError: It cannot be written.
    """
    try:
        _write_rows(folder / REQUESTS_FILE, Sample, [asdict(sample) for sample in data.samples])
        _write_rows(folder / INVOCATIONS_FILE, _InvocationRow, [_invocation_row(row) for row in data.invocations])
        _write_rows(folder / INSTANCES_FILE, _InstanceRow, [_instance_row(row) for row in data.instances])
        _write_rows(folder / STEPS_FILE, RecordedStep, [asdict(step) for step in data.steps])
        document = {"verdict": data.run.verdict, **asdict(data.run)}
        replace_file(folder / RUN_FILE, json.dumps(document, indent=2, default=str) + "\n")
    except OSError as error:
        raise RunFolderError(f"cannot write the run to {folder}: {error.strerror or error}") from None


def read_run(folder: Path) -> RunData:
    """Read a run's data; runs of older versions are read as well.

    Args:
        folder: The run's folder.

    Returns:
        The run.

    Raises:
        RunFolderError: It is not a run, or its schema version is not supported.
    """
    try:
        document = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        rows = pq.read_table(folder / REQUESTS_FILE).to_pylist()
        version = document.get("schema_version")
        if version == 1:
            from serverless_dnn.bench.run_version_1 import upgrade

            return upgrade(document, rows)
        if version != SCHEMA_VERSION:
            raise RunFolderError(
                f"{folder} has schema version {version}, this version reads 1 to {SCHEMA_VERSION}: use a newer version"
            )
        invocations = pq.read_table(folder / INVOCATIONS_FILE).to_pylist()
        instances = pq.read_table(folder / INSTANCES_FILE).to_pylist()
        steps = pq.read_table(folder / STEPS_FILE).to_pylist() if (folder / STEPS_FILE).exists() else []
        return RunData(
            _read_document(document),
            [Sample(**row) for row in rows],
            [_read_invocation(row) for row in invocations],
            [_read_instance(row) for row in instances],
            [RecordedStep(**row) for row in steps],
        )
    except (OSError, ValueError, TypeError, AttributeError, KeyError, pa.ArrowException) as error:
        raise RunFolderError(f"{folder} is not a run's folder: {error}") from None


def _read_document(document: dict[str, Any]) -> Run:
    document = {name: value for name, value in document.items() if name != "verdict"}
    configurations = [
        MeasuredConfiguration(
            **{
                **measured,
                "configuration": Configuration(**measured["configuration"]),
                "warnings": tuple(measured["warnings"]),
            }
        )
        for measured in document.pop("configurations")
    ]
    findings = [Finding(**finding) for finding in document.pop("findings")]
    probes = [Probe(**probe) for probe in document.pop("probes", [])]
    prices = tuple(Price(**price) for price in document.pop("prices", ()))
    return Run(configurations=configurations, findings=findings, probes=probes, prices=prices, **document)


@dataclass(frozen=True)
class _InvocationRow(Invocation):
    """A row of ``invocations.parquet``."""

    deployment: str
    experiment: str
    round: int
    configuration: str


@dataclass(frozen=True)
class _InstanceRow(InstanceRecord):
    """A row of ``instances.parquet``."""

    deployment: str


def _invocation_row(row: RecordedInvocation) -> dict[str, Any]:
    named = {"deployment": row.deployment, "experiment": row.experiment, "round": row.round}
    return {**asdict(row.invocation), **named, "configuration": row.configuration}


def _read_invocation(row: dict[str, Any]) -> RecordedInvocation:
    names = (row.pop("deployment"), row.pop("experiment"), row.pop("round"), row.pop("configuration"))
    return RecordedInvocation(*names, Invocation(**row))


def _instance_row(row: RecordedInstance) -> dict[str, Any]:
    return {**asdict(row.record), "deployment": row.deployment}


def _read_instance(row: dict[str, Any]) -> RecordedInstance:
    return RecordedInstance(row.pop("deployment"), InstanceRecord(**row))


def _write_rows(path: Path, row: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    columns = {column.name: [each[column.name] for each in rows] for column in fields(row)}
    pq.write_table(pa.table(columns, schema=_schema(row)), path)


def _schema(row: type[Any]) -> pa.Schema:
    """The columns' types, and in their metadata what they mean."""
    arrow = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}
    hints = get_type_hints(row)

    def column_of(column: Field[Any]) -> pa.Field:
        choices = get_args(hints[column.name])
        literal = choices and isinstance(choices[0], str)
        kind = str if literal else choices[0] if choices else hints[column.name]
        if get_args(kind):
            kind = str
        metadata = {name: str(value) for name, value in column.metadata.items()}
        return pa.field(column.name, arrow[kind], nullable=type(None) in choices, metadata=metadata)

    return pa.schema([column_of(column) for column in fields(row)])
