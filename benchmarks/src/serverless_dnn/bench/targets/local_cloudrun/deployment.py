"""Cloud Run on this machine: containers with the environment of Cloud Run's container contract, behind a proxy.

Like Cloud Run's front end, the proxy speaks HTTP/2 in plain text to the containers. The limits are Cloud Run's
(https://cloud.google.com/run/quotas).
"""

from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.bench.targets.door_config import DoorConfig
from serverless_dnn.bench.targets.front_door import LocalPlatform
from serverless_dnn.bench.targets.null_servers.command import server_to_start

DEFAULT_COMMAND = ("sdnn-cloudrun",)
# The platform's default (https://cloud.google.com/run/docs/configuring/request-timeout).
REQUEST_TIMEOUT_S = 300.0


class LocalCloudRun(LocalPlatform):
    """A service.

    Args:
        options: What is deployed.
        command: The command that starts the container's server.
        timeout_s: How long a request may take, with the wait for an instance.

    Raises:
        StartError: The front door failed to start.
    """

    def __init__(
        self,
        options: DeployOptions,
        command: tuple[str, ...] = DEFAULT_COMMAND,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        server = server_to_start("cloudrun", options, command)
        concurrency = options.requests_per_instance or PLATFORMS["cloudrun"].requests_per_instance
        super().__init__(
            "cloudrun",
            "serverless_dnn.bench.targets.local_cloudrun.door",
            DoorConfig(options, server.command, server.variables, timeout_s, requests_per_instance=concurrency),
            {},
        )

    @property
    def url(self) -> str:
        """The service's URL."""
        return f"grpc://127.0.0.1:{self.port}"
