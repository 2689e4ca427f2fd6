"""What can go wrong with a benchmark.

::

    BenchError
    ├── OptionError      an unusable option or file
    ├── StartError       a server that fails to start
    ├── LoadError        a generator that fails
    └── RunFolderError   a run that cannot be written or read
"""

from pathlib import Path


class BenchError(Exception):
    """The root; ``str(error)`` says what was expected, what was received and what to do, and where a log has more.

    Args:
        problem: What was expected, what was received and what to do.
        log_path: The log that has more; ``None`` if none has.

    Attributes:
        problem: The same.
        log_path: The same.
    """

    def __init__(self, problem: str, log_path: Path | None = None) -> None:
        super().__init__(problem if log_path is None else f"{problem} (log: {log_path})")
        self.problem, self.log_path = problem, log_path


class OptionError(BenchError):
    """An option, or a file it names, cannot be used."""


class StartError(BenchError):
    """A server did not start; the message says where its log is."""


class LoadError(BenchError):
    """A generator of load failed; the platforms are not to blame."""


class RunFolderError(BenchError):
    """A run's folder cannot be written or read."""
