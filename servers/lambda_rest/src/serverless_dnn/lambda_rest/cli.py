"""The command ``sdnn-lambda``."""

import os
import sys

import click

from serverless_dnn.runtime.command_line import exit_on_serving_error, server_options
from serverless_dnn.runtime.errors import InvalidArgumentError

HANDLER = "serverless_dnn.lambda_rest.handler.handler"


@click.command(
    epilog='Lambda sets AWS_LAMBDA_RUNTIME_API. In an image: ENTRYPOINT ["sdnn-lambda"].',
    context_settings={"max_content_width": 120},
)
@server_options
def main() -> None:
    """Serve TensorFlow SavedModels as a Lambda function: starts AWS's runtime client with this package's handler."""
    with exit_on_serving_error("sdnn-lambda"):
        if not os.environ.get("AWS_LAMBDA_RUNTIME_API"):
            raise InvalidArgumentError(
                "AWS_LAMBDA_RUNTIME_API is not set: Lambda sets it, and so does `sdnn-bench run --platform lambda`"
            )
    # The same process goes on, so that its age is the function's.
    os.execv(sys.executable, [sys.executable, "-m", "awslambdaric", HANDLER])  # noqa: S606
