"""How a server of this package says that it is ready, in the way of the servers that it stands beside."""

import json
import os
from pathlib import Path

from serverless_dnn.bench.whole_files import replace_file


def announce_ready(**ports: int) -> None:
    """Write the file that ``ServerProcess.ready_port`` waits for, whole or not at all.

    Args:
        ports: The ports listened on; ``port`` is the one that callers use.
    """
    replace_file(Path(os.environ["SDNN_READY_FILE"]), json.dumps(ports))
