"""Build both variants of the Cloud Run server's image, measure their size, start them and smoke-test them."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from container_tools import ContainerTool, ImageError, ImageSize, build_debian_base, find_tool, weigh
from numpy.typing import NDArray

from serverless_dnn.client import ClientError, GrpcClient
from serverless_dnn.protos.dtypes import numpy_dtype
from serverless_dnn.protos.v1 import saved_model_pb2

_ROOT = Path(__file__).resolve().parent.parent
_DOCKERFILE = _ROOT / "servers" / "cloudrun_grpc" / "Dockerfile"
_FLAVOURS = ("openvino", "tensorflow")
_DEBIAN_BASE = "sdnn-debian-base:bookworm"
_START_TIMEOUT_S = 120.0
# Cloud Run sends SIGKILL 10 s after SIGTERM (https://cloud.google.com/run/docs/container-contract).
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Start:
    """One start of an image.

    Attributes:
        cold_start_ms: From starting the process to the first response.
        phases_ms: The server's own breakdown.
        engine: The engine that ran the model.
        outputs: The shape of each output.
    """

    cold_start_ms: float
    phases_ms: Mapping[str, float]
    engine: str
    outputs: Mapping[str, tuple[int, ...]]


@click.command(
    epilog="""\b
Examples:
  hatch run sdnn-models export mobilenet_v1 exported && hatch run images:cloudrun
  hatch run images:cloudrun --flavour openvino --tag REGION-docker.pkg.dev/PROJECT/dnn/server
  hatch run images:cloudrun --base debootstrap    # without a registry: base image from Debian packages""",
    context_settings={"max_content_width": 120},
)
@click.option("--flavour", "flavours", multiple=True, type=click.Choice(_FLAVOURS), help="Repeatable; both by default.")
@click.option(
    "--models",
    default="exported",
    show_default=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder of models, MODEL/VERSION/saved_model.pb, inside this repository.",
)
@click.option("--tag", default="sdnn-cloudrun", show_default=True, help="Image name; the flavour becomes its tag.")
@click.option("--base", help="Base image, or debootstrap to build one; defaults to the Dockerfile's own.")
@click.option("--mirror", default="http://deb.debian.org/debian", show_default=True, help="Mirror for debootstrap.")
@click.option("--precision", default="f32", show_default=True, type=click.Choice(["f32", "bf16"]))
@click.option("--starts", default=5, show_default=True, type=click.IntRange(0), help="Cold starts; 0 only builds.")
def main(
    flavours: tuple[str, ...],
    models: Path,
    tag: str,
    base: str | None,
    mirror: str,
    precision: str,
    starts: int,
) -> None:
    """Build the image with docker, or with buildah if no Docker engine is running; start it and smoke-test it."""
    saved_models = sorted(models.glob("*/*/saved_model.pb"))
    if not saved_models:
        raise click.UsageError(f"no MODEL/VERSION/saved_model.pb in {models}: sdnn-models export mobilenet_v1 {models}")
    if not models.resolve().is_relative_to(_ROOT):
        raise click.UsageError(f"{models} is not inside {_ROOT}, the build context: export the models there")
    arguments = {
        "MODEL_DIR": str(models.resolve().relative_to(_ROOT)),
        "PRECISION": precision,
    }
    try:
        tool = find_tool()
        if base == "debootstrap":
            click.echo(f"building {_DEBIAN_BASE} from {mirror}", err=True)
            build_debian_base(tool, _DEBIAN_BASE, "bookworm", mirror)
            base = f"localhost/{_DEBIAN_BASE}"
        if base is not None:
            arguments["BASE"] = base
        for flavour in flavours or _FLAVOURS:
            image = f"{tag}:{flavour}"
            click.echo(f"building {image}", err=True)
            tool.build(_DOCKERFILE, _ROOT, image, {**arguments, "FLAVOUR": flavour})
            name, inputs = saved_models[0].parent.parent.name, _zeros(saved_models[0])
            _report(image, _size(tool, image), [cold_start(tool, image, name, inputs) for _ in range(starts)])
    except (ImageError, ClientError) as error:
        click.echo(f"images:cloudrun: {error}", err=True)
        sys.exit(1)


def cold_start(tool: ContainerTool, image: str, model: str, inputs: Mapping[str, NDArray[np.generic]]) -> Start:
    """Start an image, make one prediction, and stop it as Cloud Run does.

    Args:
        tool: The tool to start it with.
        image: Its name.
        model: One of its models.
        inputs: The inputs of the prediction.

    Returns:
        What was measured.

    Raises:
        ImageError: The server did not start, or did not exit on SIGTERM.
        ClientError: It did not respond.
    """
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        scratch.chmod(0o777)
        environment = {"PORT": "0", "SDNN_HOST": "127.0.0.1", "SDNN_READY_FILE": "/tmp/ready.json"}  # noqa: S108 - the image's own /tmp
        with tool.command(image, scratch, environment) as command, (scratch / "log").open("wb") as log:
            begin_ns = time.perf_counter_ns()
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                port = _wait_ready(process, scratch)
                with GrpcClient(f"127.0.0.1:{port}", model) as client:
                    prediction = client.predict(inputs)
                    end_ns = time.perf_counter_ns()
            finally:
                _stop(process, scratch)
    server = prediction.timing.server
    return Start(
        cold_start_ms=(end_ns - begin_ns) / 1e6,
        phases_ms=server.phases_ms if server else {},
        engine=server.engine if server else "",
        outputs={name: array.shape for name, array in prediction.outputs.items()},
    )


def _wait_ready(process: subprocess.Popen[bytes], scratch: Path) -> int:
    ready = scratch / "ready.json"
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ImageError(f"the server did not start:\n{(scratch / 'log').read_text(errors='replace')[-4000:]}")
        time.sleep(0.001)
    return int(json.loads(ready.read_text(encoding="utf-8"))["port"])


def _stop(process: subprocess.Popen[bytes], scratch: Path) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        status = process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise ImageError(f"the server did not exit within {_STOP_TIMEOUT_S} s of SIGTERM") from None
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


def _report(image: str, size: ImageSize, starts: list[Start]) -> None:
    click.echo(f"{image}: {size.compressed_bytes / 1e6:.0f} MB compressed, {size.unpacked_bytes / 1e6:.0f} MB unpacked")
    if not starts:
        return
    first, last = starts[0], starts[-1]
    click.echo(f"  {len(starts)} responses from {first.engine}: {dict(first.outputs)}")
    median = statistics.median(start.cold_start_ms for start in starts)
    phases = ", ".join(
        f"{name} {dur:.0f}" for name, dur in last.phases_ms.items() if name in ("cold", "import", "load")
    )
    click.echo(f"  cold start: first {first.cold_start_ms:.0f} ms, median {median:.0f} ms (last: {phases})")


if __name__ == "__main__":
    main()
