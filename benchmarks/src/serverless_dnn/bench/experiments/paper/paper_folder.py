"""A paper's folder: ``paper.json``, a folder of runs for each experiment, and what is rendered from them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serverless_dnn.bench.errors import RunFolderError
from serverless_dnn.bench.machine import describe_machine, git_revision, package_versions
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.run_folder import RUN_FILE, read_run
from serverless_dnn.bench.whole_files import write_file

PAPER_FILE = "paper.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class PaperRecord:
    """What is known of a rerun beside its runs.

    Attributes:
        started: ISO 8601 in UTC.
        quick: Whether it has fewer models and rounds.
        machine: See ``machine.describe_machine``.
        packages: Versions by package.
        git_revision: Revision of the source tree.
        durations_s: How long each experiment took, by name.
        problems: Why something was not measured, by experiment.
        schema_version: Of the file.
    """

    started: str
    quick: bool
    machine: Mapping[str, Any]
    packages: Mapping[str, str]
    git_revision: str | None
    durations_s: Mapping[str, float] = field(default_factory=dict)
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def with_experiment(self, name: str, duration_s: float, problems: tuple[str, ...]) -> "PaperRecord":
        """The record after an experiment.

        Args:
            name: The experiment.
            duration_s: How long it took.
            problems: Why something was not measured.
        """
        durations_s = {**self.durations_s, name: round(duration_s, 1)}
        return replace(self, durations_s=durations_s, problems={**self.problems, name: problems})


def new_folder(runs_dir: Path) -> Path:
    """Make a paper's folder.

    Args:
        runs_dir: Where.

    Returns:
        The folder.

    Raises:
        RunFolderError: It cannot be made.
    """
    folder = runs_dir / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-paper"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RunFolderError(f"cannot make a folder in {runs_dir}: {error.strerror}") from None
    return folder


def new_record(*, quick: bool) -> PaperRecord:
    """The record of a rerun that begins now, on this machine.

    Args:
        quick: Whether it has fewer models and rounds.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return PaperRecord(started, quick, describe_machine(), package_versions(), git_revision())


def read_record(folder: Path) -> PaperRecord:
    """Read ``paper.json``.

    Args:
        folder: A paper's folder.

    Returns:
        The record.

    Raises:
        RunFolderError: It is none, or of a later version.
    """
    try:
        document = json.loads((folder / PAPER_FILE).read_text(encoding="utf-8"))
        if document["schema_version"] != SCHEMA_VERSION:
            raise RunFolderError(f"{folder} has schema version {document['schema_version']}, this version reads 1")
        problems = {name: tuple(texts) for name, texts in document.pop("problems").items()}
        return PaperRecord(**document, problems=problems)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(f"{folder} is not a paper's folder: {error}") from None


def write_record(folder: Path, record: PaperRecord) -> None:
    """Write ``paper.json``.

    Args:
        folder: A paper's folder.
        record: The record.

    Raises:
        RunFolderError: It cannot be written.
    """
    write_file(folder / PAPER_FILE, json.dumps(asdict(record), indent=2) + "\n")


def run_folders(folder: Path, experiment: str) -> dict[str, Path]:
    """The runs of an experiment; of several with the same name, the latest.

    Args:
        folder: A paper's folder.
        experiment: The experiment.

    Returns:
        Their folders by name, in the order in which they were made.
    """
    # A run's folder begins with its time; one in progress begins with a dot.
    paths = sorted((folder / experiment).glob(f"*/[0-9]*/{RUN_FILE}"), key=lambda path: path.parent.name)
    return {path.parent.parent.name: path.parent for path in paths}


def read_runs(folder: Path, experiment: str) -> dict[str, RunData]:
    """Read the runs of an experiment.

    Args:
        folder: A paper's folder.
        experiment: The experiment.

    Returns:
        The runs by name.

    Raises:
        RunFolderError: One cannot be read.
    """
    return {name: read_run(path) for name, path in run_folders(folder, experiment).items()}
