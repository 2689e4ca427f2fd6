"""What the commands of all images share: build both variants, measure their size, start them and smoke-test them."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click
import numpy as np
from container_tools import ContainerTool, ImageError, ImageSize, Start, build_debian_base, find_tool, weigh
from numpy.typing import NDArray

from serverless_dnn.client import ClientError, ServerTiming
from serverless_dnn.protos.dtypes import numpy_dtype
from serverless_dnn.protos.v1 import saved_model_pb2

ROOT = Path(__file__).resolve().parent.parent
_CommandT = TypeVar("_CommandT", bound=Callable[..., Any])
_FLAVOURS = ("openvino", "tensorflow")
_DEBIAN_BASE = "sdnn-debian-base:bookworm"
_START_TIMEOUT_S = 120.0

Inputs = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Answer:
    """The response to a prediction.

    Attributes:
        outputs: Arrays by output name.
        server: The server's timing; ``None`` if not reported.
    """

    outputs: Mapping[str, NDArray[Any]]
    server: ServerTiming | None


@dataclass(frozen=True)
class Server:
    """What differs from one server to another.

    Attributes:
        script: The command's name in ``hatch.toml``, for messages.
        dockerfile: Its Dockerfile.
        port_variable: The variable that sets the port to listen on; ignored by a server that does not listen.
        arguments: What the platform starts the image with.
        stop_timeout_s: The time between the platform's SIGTERM and SIGKILL, in seconds; 0 if it only kills.
        predict: Makes one prediction: takes the port, the model's name and the inputs.
        environment: What the platform sets besides.
    """

    script: str
    dockerfile: Path
    port_variable: str
    arguments: tuple[str, ...]
    stop_timeout_s: float
    predict: Callable[[int, str, Inputs], Answer]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Choices:
    """The options of every command; see ``image_options``.

    Attributes:
        flavours: The variants; all if empty.
        models: A folder of models.
        tag: The image's name.
        base: The base image; ``None`` uses the Dockerfile's own.
        mirror: The Debian mirror.
        precision: The arithmetic that models are compiled for.
        starts: How many cold starts are measured.
        arguments: Further build arguments.
        mounted_at: Where the models are mounted; ``None`` builds them into the image.
    """

    flavours: tuple[str, ...]
    models: Path
    tag: str
    base: str | None
    mirror: str
    precision: str
    starts: int
    arguments: Mapping[str, str] = field(default_factory=dict)
    mounted_at: str | None = None


@dataclass(frozen=True)
class _ColdStart:
    """One start of an image.

    Attributes:
        duration_ms: From starting the process to the first response.
        phases_ms: The server's own breakdown.
        engine: The engine that ran the model.
        outputs: The shape of each output.
    """

    duration_ms: float
    phases_ms: Mapping[str, float]
    engine: str
    outputs: Mapping[str, tuple[int, ...]]


def image_options(tag: str) -> Callable[[_CommandT], _CommandT]:
    """Add the options that every command has.

    Args:
        tag: The default name of the image.

    Returns:
        The decorator.
    """
    models = click.Path(path_type=Path, exists=True, file_okay=False)
    options = [
        click.option(
            "--flavour", "flavours", multiple=True, type=click.Choice(_FLAVOURS), help="Repeatable; both by default."
        ),
        click.option(
            "--models",
            default="exported",
            show_default=True,
            type=models,
            help="A folder of models, MODEL/VERSION/saved_model.pb, inside this repository.",
        ),
        click.option("--tag", default=tag, show_default=True, help="Image name; the flavour becomes its tag."),
        click.option("--base", help="Base image, or debootstrap to build one; defaults to the Dockerfile's own."),
        click.option(
            "--mirror", default="http://deb.debian.org/debian", show_default=True, help="Mirror for debootstrap."
        ),
        click.option("--precision", default="f32", show_default=True, type=click.Choice(["f32", "bf16"])),
        click.option(
            "--starts", default=5, show_default=True, type=click.IntRange(0), help="Cold starts; 0 only builds."
        ),
    ]

    def add(command: _CommandT) -> _CommandT:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def build_and_start(server: Server, choices: Choices) -> None:
    """Build the image's variants with docker, or with buildah if no Docker engine is running, and try them.

    Args:
        server: What to build.
        choices: How.

    Raises:
        click.UsageError: There are no models, or they are not inside the build context.
    """
    models = choices.models
    saved_models = sorted(models.glob("*/*/saved_model.pb"))
    if not saved_models:
        raise click.UsageError(f"no MODEL/VERSION/saved_model.pb in {models}: sdnn-models export mobilenet_v1 {models}")
    arguments = {**choices.arguments, "PRECISION": choices.precision}
    folders = {}
    if choices.mounted_at is not None:
        folders[choices.mounted_at] = models.resolve()
    elif models.resolve().is_relative_to(ROOT):
        arguments["MODEL_DIR"] = str(models.resolve().relative_to(ROOT))
    else:
        raise click.UsageError(f"{models} is not inside {ROOT}, the build context: export the models there")
    name, inputs = saved_models[0].parent.parent.name, _zeros(saved_models[0])
    try:
        tool = find_tool()
        if (base := _base(tool, choices)) is not None:
            arguments["BASE"] = base
        for flavour in choices.flavours or _FLAVOURS:
            image = f"{choices.tag}:{flavour}"
            click.echo(f"building {image}", err=True)
            tool.build(server.dockerfile, ROOT, image, {**arguments, "FLAVOUR": flavour})
            size = _size(tool, image)
            _report(
                image, size, [_cold_start(tool, image, server, folders, name, inputs) for _ in range(choices.starts)]
            )
    except (ImageError, ClientError) as error:
        click.echo(f"{server.script}: {error}", err=True)
        sys.exit(1)


def _base(tool: ContainerTool, choices: Choices) -> str | None:
    if choices.base != "debootstrap":
        return choices.base
    click.echo(f"building {_DEBIAN_BASE} from {choices.mirror}", err=True)
    build_debian_base(tool, _DEBIAN_BASE, "bookworm", choices.mirror)
    return f"localhost/{_DEBIAN_BASE}"


def _cold_start(
    tool: ContainerTool, image: str, server: Server, folders: Mapping[str, Path], model: str, inputs: Inputs
) -> _ColdStart:
    """Start an image, make one prediction, and stop it as the platform does."""
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        scratch.chmod(0o777)
        environment = {
            **server.environment,
            server.port_variable: "0",
            "SDNN_HOST": "127.0.0.1",
            "SDNN_READY_FILE": "/tmp/ready.json",  # noqa: S108 - the image's own /tmp
        }
        start = Start({"/tmp": scratch, **folders}, environment, server.arguments)  # noqa: S108 - likewise
        with tool.command(image, start) as command, (scratch / "log").open("wb") as log:
            begin_ns = time.perf_counter_ns()
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                answer = server.predict(_wait_ready(process, scratch), model, inputs)
                end_ns = time.perf_counter_ns()
            finally:
                _stop(process, scratch, server.stop_timeout_s)
    timing = answer.server
    return _ColdStart(
        duration_ms=(end_ns - begin_ns) / 1e6,
        phases_ms=timing.phases_ms if timing else {},
        engine=timing.engine if timing else "",
        outputs={name: array.shape for name, array in answer.outputs.items()},
    )


def _wait_ready(process: subprocess.Popen[bytes], scratch: Path) -> int:
    ready = scratch / "ready.json"
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ImageError(f"the server did not start:\n{(scratch / 'log').read_text(errors='replace')[-4000:]}")
        time.sleep(0.001)
    return int(json.loads(ready.read_text(encoding="utf-8"))["port"])


def _stop(process: subprocess.Popen[bytes], scratch: Path, timeout_s: float) -> None:
    if process.poll() is not None:
        return
    if not timeout_s:
        process.kill()
        process.wait()
        return
    process.terminate()
    try:
        status = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise ImageError(f"the server did not exit within {timeout_s:.0f} s of SIGTERM") from None
    if status != 0:
        raise ImageError(f"the server exited with status {status}:\n{(scratch / 'log').read_text(errors='replace')}")


def _zeros(path: Path) -> dict[str, NDArray[np.generic]]:
    """Zeros for every input of a SavedModel; dynamic dimensions are 1."""
    graph = saved_model_pb2.SavedModel.FromString(path.read_bytes()).meta_graphs[0]
    signature = graph.signature_def["serving_default"]
    return {
        alias: np.zeros([max(1, axis.size) for axis in info.tensor_shape.dim], numpy_dtype(info.dtype))
        for alias, info in signature.inputs.items()
    }


def _size(tool: ContainerTool, image: str) -> ImageSize:
    with TemporaryDirectory() as folder:
        archive = Path(folder, "image.tar")
        tool.save(image, archive)
        return weigh(archive)


def _report(image: str, size: ImageSize, starts: list[_ColdStart]) -> None:
    click.echo(f"{image}: {size.compressed_bytes / 1e6:.0f} MB compressed, {size.unpacked_bytes / 1e6:.0f} MB unpacked")
    if not starts:
        return
    first, last = starts[0], starts[-1]
    click.echo(f"  {len(starts)} responses from {first.engine}: {dict(first.outputs)}")
    median = statistics.median(start.duration_ms for start in starts)
    phases = ", ".join(
        f"{name} {dur:.0f}"
        for name, dur in last.phases_ms.items()
        if name in ("cold", "import", "engine-import", "load")
    )
    click.echo(f"  cold start: first {first.duration_ms:.0f} ms, median {median:.0f} ms (last: {phases})")
