"""Tell a launcher through a file that the server is ready."""

import json
import logging
import os
from pathlib import Path

from serverless_dnn.runtime.errors import InvalidArgumentError

_log = logging.getLogger(__name__)


def check_ready_file(ready_file: Path | None) -> None:
    """Check, before a long startup, that the ready file can be written when it ends.

    Args:
        ready_file: The file; ``None`` if there is none.

    Raises:
        InvalidArgumentError: Its folder is missing or not writable.
    """
    if ready_file is not None and not os.access(ready_file.parent, os.W_OK | os.X_OK):
        why = "is not writable" if ready_file.parent.is_dir() else "is not a folder that exists"
        raise InvalidArgumentError(f"cannot write the ready file {ready_file}: {ready_file.parent} {why}")


def announce_ready(ready_file: Path | None, host: str, port: int, **others: int) -> None:
    """Announce, in the log and in the ready file, that the server accepts requests.

    Args:
        ready_file: Written under a temporary name and renamed, so that readers never see part of it; ``None`` writes
            none.
        host: The address listened on.
        port: The port listened on.
        **others: Other ports, by name.

    Raises:
        InvalidArgumentError: The file cannot be written.
    """
    if ready_file is not None:
        aside = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        try:
            aside.write_text(json.dumps({"host": host, "port": port, "pid": os.getpid(), **others}), encoding="utf-8")
            aside.rename(ready_file)
        except OSError as error:
            raise InvalidArgumentError(f"cannot write the ready file {ready_file}: {error.strerror}") from None
    _log.info("ready", extra={"host": host, "port": port, **others})
