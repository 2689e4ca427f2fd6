"""The command ``sdnn-sagemaker``."""

import importlib
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from serverless_dnn.runtime import collector
from serverless_dnn.runtime.commands.command_line import exit_on_serving_error, server_settings, settings_options
from serverless_dnn.runtime.commands.memory import keep_freed_memory
from serverless_dnn.runtime.commands.ready_file import check_ready_file
from serverless_dnn.runtime.listening import check_listening
from serverless_dnn.runtime.logs import log_to_file, log_to_stderr
from serverless_dnn.runtime.options import from_values
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings, TransferOptions
from serverless_dnn.runtime.timing import Instance
from serverless_dnn.sagemaker_tfserving.options import SageMakerOptions, log_variables_without_meaning

_log = logging.getLogger(__name__)
# Where SageMaker unpacks the model archive, and the archives of a multi-model endpoint.
MODEL_FOLDER = Path("/opt/ml/model")
MODELS_FOLDER = Path("/opt/ml/models")
_DEPLOYMENT = "serverless_dnn.sagemaker_tfserving.deploy_command"


class _Commands(click.Group):
    """Imports the commands that need SageMaker's SDK only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click declares it
        """The names of all commands; see ``click.Group``."""
        return ["serve", "deploy", "delete"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; see ``click.Group``."""
        if cmd_name in ("deploy", "delete"):
            command: click.Command = getattr(importlib.import_module(_DEPLOYMENT), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, epilog="Example: sdnn-sagemaker serve --model-base-path models/mobilenet_v1 --port 8080")
def main() -> None:
    """Serve TensorFlow SavedModels in a SageMaker container, and deploy them to SageMaker."""


@main.command(
    epilog="Example: sdnn-sagemaker serve --model-base-path models/mobilenet_v1 --port 8080",
    context_settings={"max_content_width": 120},
)
@settings_options(ServerSettings, EngineOptions, TransferOptions, SageMakerOptions)
def serve(**given: Any) -> None:
    """Serve /ping and /invocations; this is the command SageMaker runs."""
    instance = Instance.of_server()
    log_to_stderr()
    with exit_on_serving_error("sdnn-sagemaker"), ExitStack() as starting:
        starting.enter_context(collector.paused())
        keep_freed_memory()
        options = from_values(SageMakerOptions, given)
        settings = server_settings(given, default_base_path=MODELS_FOLDER if options.multi_model else MODEL_FOLDER)
        check_ready_file(settings.ready_file)
        log_to_file(settings.records_file)
        check_listening(settings.host, options.port)
        log_variables_without_meaning()
        limits = {"concurrency": options.concurrency, "timeout_s": options.request_timeout_s}
        _log.info("starting", extra={"port": options.port, **limits, "max_body_mib": settings.max_body_mib})
        with instance.starting("import"):
            from serverless_dnn.sagemaker_tfserving.serving import serve as serve_models

        serve_models(settings, options, from_values(TransferOptions, given), instance, starting.close)
