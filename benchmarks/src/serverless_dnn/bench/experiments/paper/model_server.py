"""A model server without a platform around it, so that REST and gRPC meet the same server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serverless_dnn.bench.experiments.paper.session import MEMORY_MB
from serverless_dnn.bench.targets.limits import Limits
from serverless_dnn.bench.targets.processes import start_server

_START_TIMEOUT_S = 180.0


@contextmanager
def model_server(model: str, folder: Path, log_path: Path) -> Iterator[tuple[str, str]]:
    """Run ``sdnn-model-server`` with TensorFlow, in 3 GB and with 1 vCPU.

    Args:
        model: The model's name.
        folder: Its folder, which contains version folders.
        log_path: Where its output goes.

    Yields:
        Its URLs for gRPC and for REST.

    Raises:
        StartError: It failed to start.
    """
    command = [
        "sdnn-model-server",
        *("--host", "127.0.0.1", "--port", "0", "--rest_api_port", "-1"),
        *("--model_name", model, "--model_base_path", str(folder), "--engine", "tensorflow"),
    ]
    server = start_server(command, {}, log_path, Limits(MEMORY_MB, 1.0))
    try:
        port = server.wait_ready(_START_TIMEOUT_S)
        rest_port = json.loads(server.ready_file.read_text(encoding="utf-8"))["rest_api_port"]
        yield f"grpc://127.0.0.1:{port}", f"http://127.0.0.1:{rest_port}"
    finally:
        server.stop()
