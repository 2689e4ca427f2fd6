"""Build both variants of the Cloud Run server's image, measure their size, start them and smoke-test them."""

from typing import Any

import click
from server_images import ROOT, Answer, Choices, Inputs, Server, build_and_start, image_options

from serverless_dnn.client import GrpcClient


def _predict(port: int, model: str, inputs: Inputs) -> Answer:
    with GrpcClient(f"127.0.0.1:{port}", model) as client:
        prediction = client.predict(inputs)
    return Answer(prediction.outputs, prediction.timing.server)


_SERVER = Server(
    script="images:cloudrun",
    dockerfile=ROOT / "servers" / "cloudrun_grpc" / "Dockerfile",
    port_variable="PORT",
    arguments=(),
    # https://cloud.google.com/run/docs/container-contract
    stop_timeout_s=10.0,
    predict=_predict,
)


@click.command(
    epilog="""\b
Examples:
  hatch run sdnn-models export mobilenet_v1 exported && hatch run images:cloudrun
  hatch run images:cloudrun --flavour openvino --tag REGION-docker.pkg.dev/PROJECT/dnn/server
  hatch run images:cloudrun --base debootstrap    # without a registry: base image from Debian packages""",
    context_settings={"max_content_width": 120},
)
@image_options(tag="sdnn-cloudrun")
def main(**given: Any) -> None:
    """Build the image with docker, or with buildah if no Docker engine is running; start it and smoke-test it."""
    build_and_start(_SERVER, Choices(**given))


if __name__ == "__main__":
    main()
