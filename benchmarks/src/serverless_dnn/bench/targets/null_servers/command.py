"""How a platform's null server is started in place of the model's."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from serverless_dnn.bench.targets.base import DeployOptions

REPLY_VARIABLE = "SDNN_NULL_REPLY"
CONTENT_TYPE_VARIABLE = "SDNN_NULL_CONTENT_TYPE"
_PACKAGE = "serverless_dnn.bench.targets.null_servers"
_COMMANDS = {
    "lambda": ("awslambdaric", f"{_PACKAGE}.lambda_function.handler"),
    "sagemaker": (f"{_PACKAGE}.sagemaker_container",),
    "cloudrun": (f"{_PACKAGE}.cloudrun_service",),
}


@dataclass(frozen=True)
class Server:
    """How an instance's server is started.

    Attributes:
        command: Its command.
        variables: Its own variables.
    """

    command: tuple[str, ...]
    variables: Mapping[str, str]


def server_to_start(platform: str, options: DeployOptions, command: tuple[str, ...]) -> Server:
    """The server to start: the platform's null server if there is a reply for it, otherwise the model's.

    Args:
        platform: The platform's name.
        options: What is deployed.
        command: The command of the model's server.

    Returns:
        The server.
    """
    if options.null_reply is None:
        return Server(command, {})
    variables = {
        REPLY_VARIABLE: str(options.null_reply.resolve()),
        CONTENT_TYPE_VARIABLE: options.null_content_type,
    }
    return Server((sys.executable, "-m", *_COMMANDS[platform]), variables)
