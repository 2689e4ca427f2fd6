"""Logs as JSON lines on stderr, with the field names that Cloud Logging and CloudWatch Logs Insights expect.

On request also in a file, for whoever started the server and wants its facts: libraries print to stderr too.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from serverless_dnn.runtime.errors import InvalidArgumentError

# Return extra fields for the line being logged, such as its trace.
_FIELDS: list[Callable[[], Mapping[str, str]]] = []


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``severity``, ``message``, ``time``, ``logger``, and the fields in ``extra``.

    Args:
        names: Other names for some of these fields, where a platform has its own.
    """

    _STANDARD: ClassVar[frozenset[str]] = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._names = names or {}

    def format(self, record: logging.LogRecord) -> str:
        """Format a record.

        Args:
            record: The record.

        Returns:
            A JSON object on one line.
        """
        entry: dict[str, object] = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "logger": record.name,
        }
        entry = {self._names.get(name, name): value for name, value in entry.items()}
        entry.update({name: value for name, value in record.__dict__.items() if name not in self._STANDARD})
        for fields in _FIELDS:
            entry.update(fields())
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


def add_log_fields(fields: Callable[[], Mapping[str, str]]) -> None:
    """Add fields to every line logged from now on.

    Args:
        fields: Returns them for the line being logged.
    """
    _FIELDS.append(fields)


def log_to_stderr(level: int = logging.INFO, *, names: Mapping[str, str] | None = None) -> None:
    """Send every log record of this process to stderr as JSON lines.

    Args:
        level: The least severe level to print.
        names: Other names for some of the fields.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(names))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def log_to_file(records_file: Path | None) -> None:
    """Append every record of this process, from level INFO, to a file that its child processes may share.

    Args:
        records_file: Gets one JSON object a line; ``None`` writes none.

    Raises:
        InvalidArgumentError: It cannot be written.
    """
    if records_file is None:
        return
    try:
        handler = _AppendingHandler(records_file)
    except OSError as error:
        raise InvalidArgumentError(f"cannot write the records file {records_file}: {error.strerror}") from None
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)


class _AppendingHandler(logging.Handler):
    """Appends each line with one write, so that those of several processes do not mix.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(logging.INFO)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def emit(self, record: logging.LogRecord) -> None:
        """Append a record; see ``logging.Handler``."""
        try:
            os.write(self._file, f"{self.format(record)}\n".encode())
        except OSError:
            self.handleError(record)
