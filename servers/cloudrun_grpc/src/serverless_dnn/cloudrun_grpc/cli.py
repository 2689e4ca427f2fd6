"""The command ``sdnn-cloudrun``."""

import asyncio
import logging
import os

import click

from serverless_dnn.cloudrun_grpc.metadata_server import PlatformFacts, ask_metadata_server
from serverless_dnn.runtime.command_line import (
    environment_option,
    exit_on_serving_error,
    grpc_options,
    server_options,
)
from serverless_dnn.runtime.lifecycle import start_repository
from serverless_dnn.runtime.logs import add_log_fields, log_to_stderr
from serverless_dnn.runtime.settings import ServerSettings, port_from_environment
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
# It was asked before the models were loaded, so this is seldom waited.
_PATIENCE_S = 0.7


@click.command(
    epilog="Example: sdnn-cloudrun --model-base-path models/mobilenet_v1 --port 8080",
    context_settings={"max_content_width": 120},
)
@server_options
@grpc_options
@environment_option("--host", "SDNN_HOST", "The address to listen on; all by default.")
@environment_option("--port", "PORT", "The port to listen on; 8080 by default, 0 takes any free one.")
@environment_option("--metrics-port", "SDNN_METRICS_PORT", "Prometheus' page on a port of its own; none by default.")
@environment_option(
    "--token-audience",
    "SDNN_TOKEN_AUDIENCE",
    "Calls need an identity token of Google's for this audience, or one of several parted by commas.",
)
@environment_option(
    "--opentelemetry",
    "SDNN_OPENTELEMETRY",
    "Send traces as the OTEL_... variables say; false by default.",
    type=click.Choice(["true", "false"]),
)
def main() -> None:
    """Serve TensorFlow SavedModels over gRPC, as TensorFlow Serving does, in a Cloud Run or Knative container."""
    instance = Instance()
    log_to_stderr()
    platform = ask_metadata_server()
    with exit_on_serving_error("sdnn-cloudrun"):
        settings = ServerSettings.from_environment()
        port = port_from_environment("PORT")
        metrics_port = port_from_environment("SDNN_METRICS_PORT") if os.environ.get("SDNN_METRICS_PORT") else None
        repository = start_repository(settings, instance)
        with instance.starting("import"):
            from serverless_dnn.cloudrun_grpc.server import CloudRunOptions, serve
            from serverless_dnn.cloudrun_grpc.trace import trace_fields
        options = CloudRunOptions(
            port,
            metrics_port,
            tuple(part.strip() for part in os.environ.get("SDNN_TOKEN_AUDIENCE", "").split(",") if part.strip()),
            os.environ.get("SDNN_TOKEN_CERTS_URL") or None,
            os.environ.get("SDNN_OPENTELEMETRY") == "true",
        )

        def take_platform_facts() -> None:
            try:
                facts = platform.result(_PATIENCE_S)
            except TimeoutError:
                _log.warning("the metadata server's name is not resolved in time: this instance names itself")
                facts = PlatformFacts()
            instance.id = facts.instance_id or instance.id
            add_log_fields(lambda: trace_fields(facts.project))

        asyncio.run(serve(settings, options, repository, instance, take_platform_facts))
