"""SageMaker Serverless Inference on this machine: the container's own ``serve`` behind InvokeEndpoint.

The limits are those of serverless endpoints (https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html).
"""

from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.bench.targets.door_config import DoorConfig
from serverless_dnn.bench.targets.front_door import LocalPlatform
from serverless_dnn.bench.targets.local_sagemaker.endpoint import ENDPOINT_NAME, MAX_PAYLOAD_BYTES, REQUEST_TIMEOUT_S
from serverless_dnn.bench.targets.null_servers.command import server_to_start

DEFAULT_COMMAND = ("sdnn-sagemaker", "serve")


class LocalSageMaker(LocalPlatform):
    """A serverless endpoint.

    Args:
        options: What is deployed.
        command: The command that starts the container's server.
        timeout_s: How long an invocation may take; the container is replaced afterwards.

    Raises:
        StartError: The front door failed to start.
    """

    def __init__(
        self,
        options: DeployOptions,
        command: tuple[str, ...] = DEFAULT_COMMAND,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        server = server_to_start("sagemaker", options, command)
        super().__init__(
            "sagemaker",
            "serverless_dnn.bench.targets.local_sagemaker.door",
            DoorConfig(options, server.command, server.variables, timeout_s),
            {"payload_bytes": MAX_PAYLOAD_BYTES},
        )

    @property
    def url(self) -> str:
        """The endpoint's URL, as the client expects it."""
        return f"sagemaker+http://127.0.0.1:{self.port}/{ENDPOINT_NAME}"
