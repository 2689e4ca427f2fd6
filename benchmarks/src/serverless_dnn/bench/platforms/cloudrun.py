"""Cloud Run on this machine: the container's command with the environment of Cloud Run's container contract.

The client talks directly to the instance over plaintext HTTP/2, the protocol Cloud Run's front end speaks to it.
"""

from serverless_dnn.bench.platforms.base import DeployOptions, PlatformFacts
from serverless_dnn.bench.processes import ServerProcess, start_server

DEFAULT_COMMAND = ("sdnn-cloudrun",)


class LocalCloudRun:
    """A service with one instance, which serves many requests concurrently.

    Args:
        options: What is deployed.
        command: The command that starts the container's server.
    """

    def __init__(self, options: DeployOptions, command: tuple[str, ...] = DEFAULT_COMMAND) -> None:
        self._options, self._command = options, command
        self._process: ServerProcess | None = None
        self._port = 0
        self.facts = PlatformFacts(
            name="cloudrun",
            title="Cloud Run, local",
            customization="container",
            protocol="gRPC",
            model_server="grpc.aio",
            limits={"instances": 1, "concurrency": 80, "cpu": "not limited", "memory": "not enforced"},
        )

    @property
    def url(self) -> str:
        """The instance's URL."""
        return f"grpc://127.0.0.1:{self._port}"

    def ensure_instance(self) -> None:
        """Start the instance unless it is running, and wait until it is ready.

        Raises:
            StartError: It failed to start.
        """
        if self._process is not None:
            return
        variables = {
            **self._options.environment(),
            "PORT": "0",
            "K_SERVICE": "sdnn",
            "K_REVISION": "sdnn-00001-local",
            "K_CONFIGURATION": "sdnn",
            # There is no metadata server here: a closed port fails at once, whereas a name lookup may take a while.
            "GCE_METADATA_HOST": "127.0.0.1:1",
        }
        self._process = start_server(list(self._command), variables, self._options.log_folder / "cloudrun-1.log")
        self._port = self._process.wait_ready(self._options.start_timeout_s)

    def server_pids(self) -> tuple[int, ...]:
        """The process of the instance, if it is running."""
        return () if self._process is None else (self._process.process.pid,)

    def stop(self) -> None:
        """Stop the instance: SIGTERM, then SIGKILL 10 s later."""
        if self._process is not None:
            self._process.stop()
            self._process = None
