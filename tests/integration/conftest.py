"""Local platforms with real server processes, stopped at the end of each test."""

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

# Where this folder's helpers are: tests are imported by their paths.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def function_command(tmp_path: Path) -> Callable[[str], tuple[str, ...]]:
    """Write a function, and give the command that runs it under the real runtime client."""

    def write(code: str) -> tuple[str, ...]:
        (tmp_path / "function.py").write_text(textwrap.dedent(code))
        return ("env", f"PYTHONPATH={tmp_path}", sys.executable, "-m", "awslambdaric", "function.handler")

    return write


@pytest.fixture
def function(tmp_path: Path, function_command: Callable[[str], tuple[str, ...]]) -> Iterator[Callable[..., Any]]:
    """Deploy a function of some lines on the local Lambda."""
    with ExitStack() as running:

        def start(code: str, *, timeout_s: float = 30.0, init_timeout_s: float = 30.0, **scale: Any) -> Any:
            options = _options("function", tmp_path, tmp_path / "logs", scale)
            deployment = _platform("lambda")(options, function_command(code), timeout_s, init_timeout_s)
            running.callback(_stop, deployment)
            return deployment

        yield start


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Deploy a model on a local platform, by default on Lambda."""
    with ExitStack() as running:

        def start(folder: Path, platform: str = "lambda", *, timeout_s: float = 60.0, **scale: Any) -> Any:
            options = _options(folder.name, folder, tmp_path / "logs", scale)
            more = {"init_timeout_s": 60.0} if platform == "lambda" else {}
            deployment = _platform(platform)(options, timeout_s=timeout_s, **more)
            running.callback(_stop, deployment)
            return deployment

        yield start


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Deploy a server that does what its requests say on a local platform."""
    script = Path(__file__).with_name("scripted_server.py")
    commands = {
        "lambda": (
            "env",
            f"PYTHONPATH={script.parent}",
            sys.executable,
            "-m",
            "awslambdaric",
            "scripted_server.handler",
        ),
        "sagemaker": (sys.executable, str(script), "http"),
        "cloudrun": (sys.executable, str(script), "grpc"),
    }
    with ExitStack() as running:

        def start(platform: str, *words: str, timeout_s: float = 60.0, **scale: Any) -> Any:
            options = _options("scripted", tmp_path, tmp_path / f"logs-of-{platform}", scale)
            deployment = _platform(platform)(options, (*commands[platform], *words), timeout_s)
            running.callback(_stop, deployment)
            return deployment

        yield start


def _stop(deployment: Any) -> None:
    deployment.stop()
    log = deployment.log_path.read_text()
    assert "Traceback" not in log, log
    assert "never retrieved" not in log, log


def _options(model: str, folder: Path, logs: Path, scale: dict[str, Any]) -> Any:
    # Here, so that the other tests do not need the benchmark.
    from serverless_dnn.bench.targets.base import DeployOptions

    return DeployOptions(model, folder, logs, **scale)


def _platform(name: str) -> Any:
    from serverless_dnn.bench.platforms import PLATFORMS

    module, _, of_module = PLATFORMS[name].local_class.partition(":")
    return getattr(importlib.import_module(module), of_module)
