"""What a null server answers."""

import os
from pathlib import Path

from serverless_dnn.bench.targets.null_servers.command import CONTENT_TYPE_VARIABLE, REPLY_VARIABLE


def read_reply() -> tuple[bytes, str]:
    """The bytes of the reply, and their content type."""
    return Path(os.environ[REPLY_VARIABLE]).read_bytes(), os.environ[CONTENT_TYPE_VARIABLE]
