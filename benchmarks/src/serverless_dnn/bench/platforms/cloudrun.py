"""Cloud Run on this machine: the container's command with the variables of Cloud Run's container contract.

A client talks to the instance itself over plaintext HTTP/2, as it does behind Cloud Run's front end.
"""

from serverless_dnn.bench.platforms.base import DeployOptions, PlatformFacts
from serverless_dnn.bench.processes import ServerProcess, start_server

DEFAULT_COMMAND = ("sdnn-cloudrun",)


class LocalCloudRun:
    """A service of one instance, which takes many requests at once.

    Args:
        options: What is deployed.
        command: Starts the container's server.
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
        """Start the instance if there is none, and wait until it answers.

        Raises:
            StartError: It does not start.
        """
        if self._process is not None:
            return
        variables = {
            **self._options.environment(),
            "PORT": "0",
            "K_SERVICE": "sdnn",
            "K_REVISION": "sdnn-00001-local",
            "K_CONFIGURATION": "sdnn",
            # There is no metadata server here: a closed port says so at once, where a name may take its time.
            "GCE_METADATA_HOST": "127.0.0.1:1",
        }
        self._process = start_server(list(self._command), variables, self._options.log_folder / "cloudrun-1.log")
        self._port = self._process.wait_ready(self._options.start_timeout_s)

    def stop(self) -> None:
        """End the instance: SIGTERM, and SIGKILL 10 s later."""
        if self._process is not None:
            self._process.stop()
            self._process = None
