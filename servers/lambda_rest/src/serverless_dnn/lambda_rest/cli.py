"""The command ``sdnn-lambda``."""

import os
import sys
from typing import Any

import click

from serverless_dnn.runtime.commands.command_line import environment_of, exit_on_serving_error, settings_options
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings

HANDLER = "serverless_dnn.lambda_rest.handler.handler"


@click.command(
    epilog='Lambda sets AWS_LAMBDA_RUNTIME_API. In an image: ENTRYPOINT ["sdnn-lambda"].',
    context_settings={"max_content_width": 120},
)
@settings_options(ServerSettings, EngineOptions, omit=("host",))
def main(**given: Any) -> None:
    """Serve TensorFlow SavedModels as a Lambda function, using AWS's runtime client and this package's handler."""
    with exit_on_serving_error("sdnn-lambda"):
        if not os.environ.get("AWS_LAMBDA_RUNTIME_API"):
            raise InvalidArgumentError(
                "AWS_LAMBDA_RUNTIME_API is not set: Lambda sets it, and so does `sdnn-bench run --platform lambda`"
            )
    # exec keeps the process, so that its age includes this start.
    command = [sys.executable, "-m", "awslambdaric", HANDLER]
    os.execve(sys.executable, command, os.environ | environment_of(given, ServerSettings, EngineOptions))  # noqa: S606
