"""Lambda on this machine: real ``awslambdaric`` processes behind a function URL and the Invoke API.

Limits are AWS's (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""

from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.bench.targets.door_config import DoorConfig
from serverless_dnn.bench.targets.front_door import LocalPlatform
from serverless_dnn.bench.targets.local_lambda.function import (
    MAX_REQUEST_BYTES,
    MAX_RESPONSE_BYTES,
    reported_memory_mb,
)
from serverless_dnn.bench.targets.null_servers.command import server_to_start

DEFAULT_COMMAND = ("sdnn-lambda",)


class LocalLambda(LocalPlatform):
    """A function.

    Args:
        options: What is deployed.
        command: The command that starts the runtime client.
        timeout_s: How long an invocation may take.
        init_timeout_s: How long the init phase may take before it is run again as part of the first invocation.

    Raises:
        StartError: The front door failed to start.
    """

    def __init__(
        self,
        options: DeployOptions,
        command: tuple[str, ...] = DEFAULT_COMMAND,
        timeout_s: float = 60.0,
        init_timeout_s: float = 10.0,
    ) -> None:
        server = server_to_start("lambda", options, command)
        super().__init__(
            "lambda",
            "serverless_dnn.bench.targets.local_lambda.door",
            DoorConfig(options, server.command, server.variables, timeout_s, init_timeout_s=init_timeout_s),
            {
                "request_bytes": MAX_REQUEST_BYTES,
                "response_bytes": MAX_RESPONSE_BYTES,
                "init_timeout_s": init_timeout_s,
                "reported_memory_mb": reported_memory_mb(options),
            },
        )

    @property
    def url(self) -> str:
        """The function's URL."""
        return f"http://127.0.0.1:{self.port}"
