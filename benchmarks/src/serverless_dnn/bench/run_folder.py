"""A run on disk: ``run.json``, ``requests.parquet``, ``report.html``, ``logs/``; written as partial, then renamed."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from serverless_dnn.bench.errors import RunFolderError
from serverless_dnn.bench.samples import Sample

SCHEMA_VERSION = 1
RUN_FILE, REQUESTS_FILE, REPORT_FILE, LOG_FOLDER = "run.json", "requests.parquet", "report.html", "logs"


@dataclass(frozen=True)
class Run:
    """Everything about a run except its requests.

    Attributes:
        model: The model's name.
        started: Start time, ISO 8601 in UTC.
        options: Every option.
        photograph: What was sent, and its licence.
        platforms: Each platform's facts, limits, model server, engine and why it was chosen, and its servers' warnings.
        machine: See ``machine.describe_machine``.
        packages: Versions by package.
        git_revision: Revision of the source tree.
        largest_difference: Largest difference between any two platforms' outputs; ``None`` with fewer than two.
        reasons: Why the run is invalid; empty if it is valid.
        schema_version: Schema version of this file.
    """

    model: str
    started: str
    options: dict[str, Any]
    photograph: str
    platforms: list[dict[str, Any]]
    machine: dict[str, Any]
    packages: dict[str, str]
    git_revision: str | None
    largest_difference: float | None
    reasons: list[str]
    schema_version: int = SCHEMA_VERSION

    @property
    def verdict(self) -> str:
        """``VALID`` or ``INVALID``."""
        return "INVALID" if self.reasons else "VALID"


@contextmanager
def partial_folder(runs: Path, model: str) -> Iterator[Path]:
    """Create a folder for a run in progress; it is removed if the block raises.

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


def write_run(folder: Path, run: Run, samples: Sequence[Sample]) -> None:
    """Write a run's data.

    Args:
        folder: The run's folder.
        run: The run.
        samples: Its requests.

    Raises:
        RunFolderError: It cannot be written.
    """
    columns = {column.name: [getattr(sample, column.name) for sample in samples] for column in fields(Sample)}
    try:
        pq.write_table(pa.table(columns, schema=_schema()), folder / REQUESTS_FILE)
        document = {"verdict": run.verdict, **asdict(run)}
        (folder / RUN_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"cannot write the run to {folder}: {error.strerror or error}") from None


def read_run(folder: Path) -> tuple[Run, list[Sample]]:
    """Read a run's data.

    Args:
        folder: The run's folder.

    Returns:
        The run and its requests.

    Raises:
        RunFolderError: It is not a run, or its schema version is not supported.
    """
    try:
        document = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        rows = pq.read_table(folder / REQUESTS_FILE).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunFolderError(f"{folder} is not a run's folder: {error}") from None
    if document.get("schema_version") != SCHEMA_VERSION:
        raise RunFolderError(
            f"{folder} has schema version {document.get('schema_version')}, this version reads {SCHEMA_VERSION}"
        )
    document.pop("verdict")
    return Run(**document), [Sample(**row) for row in rows]


def _schema() -> pa.Schema:
    arrow = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}
    hints = get_type_hints(Sample)
    columns = []
    for column in fields(Sample):
        choices = get_args(hints[column.name])
        literal = choices and isinstance(choices[0], str)
        kind = str if literal else choices[0] if choices else hints[column.name]
        columns.append(pa.field(column.name, arrow[kind], nullable=type(None) in choices))
    return pa.schema(columns)
