"""Build both variants of the SageMaker server's image, measure their size, start them and smoke-test them."""

import subprocess
import time
import urllib.request
from typing import Any
from urllib.error import HTTPError

import click
from container_tools import ImageError
from server_images import ROOT, Answer, Choices, Inputs, Server, build_and_start, image_options

from serverless_dnn.client import ModelAddress
from serverless_dnn.client.wire.bodies import CONTENT_TYPES, decode_body, encode_body
from serverless_dnn.client.wire.server_timing import parse_server_timing

_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_MODEL_FOLDER = "/opt/ml/model"
_TIMEOUT_S = 60.0
# Whatever proxy the environment names, the container is on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _predict(port: int, model: str, inputs: Inputs) -> Answer:
    """As SageMaker does: pings until the container is ready, then invokes it."""
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for_ping(f"{url}/ping")
        body = encode_body("json", ModelAddress(model), inputs)
        headers = {"Content-Type": CONTENT_TYPES["json"], _ATTRIBUTES: f"tfs-model-name={model}"}
        request = urllib.request.Request(f"{url}/invocations", body, headers)  # noqa: S310 - our own container
        with _OPENER.open(request, timeout=_TIMEOUT_S) as response:
            outputs, _ = decode_body(response.headers["Content-Type"], response.read())
            return Answer(outputs, parse_server_timing(response.headers[_ATTRIBUTES]))
    except HTTPError as error:
        raise ImageError(f"{error.url}: {error}: {error.read().decode(errors='replace')}") from None
    except OSError as error:
        raise ImageError(f"{url} does not respond: {error}") from None


def _wait_for_ping(url: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            with _OPENER.open(url, timeout=_TIMEOUT_S):
                return
        except HTTPError as error:
            if error.code != 503 or time.monotonic() > deadline:
                raise
        time.sleep(0.001)


_SERVER = Server(
    script="images:sagemaker",
    dockerfile=ROOT / "servers" / "sagemaker_tfserving" / "Dockerfile",
    port_variable="SAGEMAKER_BIND_TO_PORT",
    arguments=("serve",),
    # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
    stop_timeout_s=30.0,
    predict=_predict,
)


@click.command(
    epilog="""\b
Examples:
  hatch run sdnn-models export mobilenet_v1 exported && hatch run images:sagemaker
  hatch run images:sagemaker --mount-models       # an image without a model, as for a model archive
  hatch run images:sagemaker --flavour openvino --tag ACCOUNT.dkr.ecr.REGION.amazonaws.com/serverless-dnn
  hatch run images:sagemaker --serving docker.io/tensorflow/serving:2.20.0
  hatch run images:sagemaker --base debootstrap   # without a registry: base image from Debian packages""",
    context_settings={"max_content_width": 120},
)
@image_options(tag="sdnn-sagemaker")
@click.option("--mount-models", is_flag=True, help=f"Mount the models at {_MODEL_FOLDER} instead of building them in.")
@click.option("--serving", help="An image whose tensorflow_model_server is taken over, to run the models in.")
def main(*, mount_models: bool, serving: str | None, **given: Any) -> None:
    """Build the image with docker, or with buildah if no Docker engine is running; start it and smoke-test it."""
    arguments = {"REVISION": _revision()} | ({"SERVING": serving} if serving else {})
    mounted_at = _MODEL_FOLDER if mount_models else None
    build_and_start(_SERVER, Choices(**given, arguments=arguments, mounted_at=mounted_at))


def _revision() -> str:
    """The commit that is checked out, marked if there are changes on top of it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
