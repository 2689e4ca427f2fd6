"""Logs as JSON lines on stderr, with the field names Cloud Logging and CloudWatch Logs Insights read."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import ClassVar


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``severity``, ``message``, ``time``, ``logger``, and what ``extra`` adds."""

    _STANDARD: ClassVar[frozenset[str]] = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

    def format(self, record: logging.LogRecord) -> str:
        """Print a record.

        Args:
            record: The record.

        Returns:
            A JSON object on one line.
        """
        entry = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "logger": record.name,
        }
        entry.update({name: value for name, value in record.__dict__.items() if name not in self._STANDARD})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send every log record of this process to stderr as JSON lines.

    Args:
        level: The least severe level to print.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
