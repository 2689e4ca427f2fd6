"""What fails in mid-run: what was measured is kept, and says what is missing, why, and which log has more."""

from dataclasses import dataclass
from pathlib import Path

from serverless_dnn.bench.configuration import Finding
from serverless_dnn.bench.errors import BenchError
from serverless_dnn.bench.targets.processes import last_lines


@dataclass(frozen=True)
class Failure:
    """Why something was not measured to its end.

    Attributes:
        configuration: What was being measured; ``None`` if it concerns all.
        error: Why.
    """

    configuration: str | None
    error: Exception

    @property
    def problem(self) -> str:
        """Why, without where its log is."""
        return self.error.problem if isinstance(self.error, BenchError) else str(self.error)


def finding_of(failure: Failure, run_folder: Path, log_folder: Path | None) -> Finding:
    """What a run says of a failure.

    Args:
        failure: The failure.
        run_folder: The run's folder, which moves: logs are named from there.
        log_folder: Where the logs of what failed are, unless the error knows; ``None`` for what has none here.

    Returns:
        The finding.
    """
    of_error = failure.error.log_path if isinstance(failure.error, BenchError) else None
    log_path = of_error or log_folder
    where = "" if log_path is None else f" (log: {_relative(log_path, run_folder)})"
    return Finding(
        "INCOMPLETE",
        "invalid",
        f"expected every round, got those until a failure; run it again for the rest: {failure.problem}{where}",
        failure.configuration,
    )


def quoting_log(error: BenchError) -> BenchError:
    """The same error for when its log is about to be removed: it quotes the log's end, and does not say where it is.

    Args:
        error: The error.

    Returns:
        An error of the same class.
    """
    if error.log_path is None:
        return error
    try:
        lines = last_lines(error.log_path)
    except OSError:
        lines = []
    quoted = " | ".join(line for line in lines if line not in error.problem)
    return type(error)(f"{error.problem}; its log ends with: {quoted}" if quoted else error.problem)


def _relative(path: Path, folder: Path) -> Path:
    path, folder = path.resolve(), folder.resolve()
    return path.relative_to(folder) if path.is_relative_to(folder) else path
