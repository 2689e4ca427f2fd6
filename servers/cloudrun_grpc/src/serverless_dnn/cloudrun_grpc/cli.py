"""The command ``sdnn-cloudrun``."""

import asyncio

import click

from serverless_dnn.runtime.command_line import environment_option, exit_on_serving_error, grpc_options, server_options
from serverless_dnn.runtime.lifecycle import start_repository
from serverless_dnn.runtime.logs import log_to_stderr
from serverless_dnn.runtime.settings import ServerSettings, port_from_environment
from serverless_dnn.runtime.timing import Instance


@click.command(
    epilog="Example: sdnn-cloudrun --model-base-path models/mobilenet_v1 --port 8080",
    context_settings={"max_content_width": 120},
)
@server_options
@grpc_options
@environment_option("--host", "SDNN_HOST", "The address to listen on; all by default.")
@environment_option("--port", "PORT", "The port to listen on; 8080 by default, 0 takes any free one.")
def main() -> None:
    """Serve TensorFlow SavedModels over gRPC, as TensorFlow Serving does, in a Cloud Run or Knative container."""
    instance = Instance()
    log_to_stderr()
    with exit_on_serving_error("sdnn-cloudrun"):
        settings = ServerSettings.from_environment()
        port = port_from_environment("PORT")
        repository = start_repository(settings, instance)
        with instance.starting("import"):
            from serverless_dnn.cloudrun_grpc.server import serve
        asyncio.run(serve(settings, port, repository, instance))
