"""Tell a launcher, by a file, that a server answers."""

import json
import logging
import os
from pathlib import Path

_log = logging.getLogger(__name__)


def announce_ready(ready_file: Path | None, host: str, port: int, **others: int) -> None:
    """Tell that requests are answered from now on, in the log and in the ready file.

    Args:
        ready_file: Written aside and renamed, so that who sees it sees all of it; ``None`` writes none.
        host: The address listened on.
        port: The port listened on.
        **others: Further ports, by name.
    """
    if ready_file is not None:
        aside = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        aside.write_text(json.dumps({"host": host, "port": port, "pid": os.getpid(), **others}), encoding="utf-8")
        aside.rename(ready_file)
    _log.info("ready", extra={"host": host, "port": port, **others})
