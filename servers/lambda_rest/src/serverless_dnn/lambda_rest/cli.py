"""The command ``sdnn-lambda``."""

import importlib
import os
import sys
from typing import Any

import click

from serverless_dnn.lambda_rest.options import LambdaOptions
from serverless_dnn.runtime.commands.command_line import environment_of, exit_on_serving_error, settings_options
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings, TransferOptions

HANDLER = "serverless_dnn.lambda_rest.handler.handler"
_SETTINGS = (ServerSettings, EngineOptions, TransferOptions, LambdaOptions)
_ELSEWHERE = {
    "dev": "serverless_dnn.lambda_rest.dev_command",
    "deploy": "serverless_dnn.lambda_rest.deploy_command",
    "delete": "serverless_dnn.lambda_rest.deploy_command",
}


class _Commands(click.Group):
    """Imports the commands that a function never runs only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click declares it
        """The names of all commands; see ``click.Group``."""
        return list(_ELSEWHERE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """The command of a name; see ``click.Group``."""
        if (module := _ELSEWHERE.get(cmd_name)) is None:
            return None
        command: click.Command = getattr(importlib.import_module(module), cmd_name)
        return command


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    epilog='Lambda sets AWS_LAMBDA_RUNTIME_API. In an image: ENTRYPOINT ["sdnn-lambda"]. Locally: sdnn-lambda dev '
    "--model-base-path models/mobilenet_v1",
    context_settings={"max_content_width": 120},
)
@settings_options(*_SETTINGS, omit=("host",))
@click.pass_context
def main(context: click.Context, /, **given: Any) -> None:
    """Serve TensorFlow SavedModels as a Lambda function, using AWS's runtime client and this package's handler."""
    if context.invoked_subcommand is not None:
        return
    with exit_on_serving_error("sdnn-lambda"):
        if not os.environ.get("AWS_LAMBDA_RUNTIME_API"):
            raise InvalidArgumentError(
                "AWS_LAMBDA_RUNTIME_API is not set: Lambda sets it, and so does `sdnn-bench run --platform lambda`; "
                "`sdnn-lambda dev` serves the same handler over HTTP"
            )
    os.environ.update(environment_of(given, *_SETTINGS))
    from awslambdaric.__main__ import main as run_runtime_client

    run_runtime_client([sys.argv[0], HANDLER])
