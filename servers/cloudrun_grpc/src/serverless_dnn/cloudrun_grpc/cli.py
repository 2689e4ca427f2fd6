"""The command ``sdnn-cloudrun``."""

import importlib
import logging
from contextlib import ExitStack
from typing import Any

import click

from serverless_dnn.cloudrun_grpc.metadata_server import PlatformFacts, ask_metadata_server
from serverless_dnn.cloudrun_grpc.options import CloudRunOptions
from serverless_dnn.runtime import collector
from serverless_dnn.runtime.commands.command_line import exit_on_serving_error, server_settings, settings_options
from serverless_dnn.runtime.commands.memory import keep_freed_memory
from serverless_dnn.runtime.commands.ready_file import check_ready_file
from serverless_dnn.runtime.logs import add_log_fields, log_to_file, log_to_stderr
from serverless_dnn.runtime.options import from_values
from serverless_dnn.runtime.settings import EngineOptions, GrpcSettings, ServerSettings
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
# The query started before the models were loaded, so this wait is rarely needed.
_PATIENCE_S = 0.7
# With gRPC and asyncio, which loading a model does without.
_SERVER = "serverless_dnn.cloudrun_grpc.server"


@click.command(
    epilog="Example: sdnn-cloudrun --model-base-path models/mobilenet_v1 --port 8080",
    context_settings={"max_content_width": 120},
)
@settings_options(ServerSettings, EngineOptions, GrpcSettings, CloudRunOptions)
def main(**given: Any) -> None:
    """Serve TensorFlow SavedModels over gRPC, as TensorFlow Serving does, in a Cloud Run or Knative container."""
    instance = Instance.of_server()
    log_to_stderr()
    platform = ask_metadata_server()
    with exit_on_serving_error("sdnn-cloudrun"), ExitStack() as starting:
        starting.enter_context(collector.paused())
        keep_freed_memory()
        settings, grpc_settings = server_settings(given), from_values(GrpcSettings, given)
        options = from_values(CloudRunOptions, given)
        check_ready_file(settings.ready_file)
        log_to_file(settings.records_file)
        instance.meanwhile(lambda: importlib.import_module(_SERVER))
        with instance.starting("import"):
            from serverless_dnn.runtime.repository.loading import start_repository
        repository = start_repository(settings, instance)
        with instance.starting("import"):
            import asyncio

            from serverless_dnn.cloudrun_grpc.server import serve
            from serverless_dnn.cloudrun_grpc.trace import trace_fields

        def before_ready() -> None:
            try:
                facts = platform.result(_PATIENCE_S)
            except TimeoutError:
                _log.warning("the metadata server did not respond in time: using a random instance id")
                facts = PlatformFacts()
            instance.id = facts.instance_id or instance.id
            add_log_fields(lambda: trace_fields(facts.project))
            starting.close()

        asyncio.run(serve(settings, grpc_settings, options, repository, instance, before_ready))
