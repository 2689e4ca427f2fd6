"""The Cloud Run server by itself, without a platform's front door."""

from contextlib import ExitStack
from pathlib import Path

from serverless_dnn.bench.targets.processes import start_server


def start_cloudrun(running: ExitStack, model: str, folder: Path, work: Path) -> str:
    """Start ``sdnn-cloudrun`` with OpenVINO.

    Args:
        running: Stops it on exit.
        model: The model's name.
        folder: The model's folder, which contains version folders.
        work: Where its log goes.

    Returns:
        Its address.
    """
    variables = {
        "SDNN_MODEL_BASE_PATH": str(folder),
        "SDNN_MODEL_NAME": model,
        "SDNN_ENGINE": "openvino",
        "SDNN_HOST": "127.0.0.1",
        "PORT": "0",
    }
    server = start_server(["sdnn-cloudrun"], variables, work / "sdnn-cloudrun.log")
    running.callback(server.stop)
    return f"127.0.0.1:{server.wait_ready(120)}"
