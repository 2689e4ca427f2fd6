"""Lambda on this machine: real ``awslambdaric`` processes behind a function URL and the Invoke API.

Limits are AWS's (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""

import http.client
import json
import sys

from serverless_dnn.bench.errors import BenchError
from serverless_dnn.bench.platforms.base import DeployOptions, PlatformFacts
from serverless_dnn.bench.platforms.lambda_function import (
    FACTS_PATH,
    MAX_REQUEST_BYTES,
    MAX_RESPONSE_BYTES,
    FunctionConfig,
    FunctionFacts,
    Invocation,
)
from serverless_dnn.bench.processes import start_server

DEFAULT_COMMAND = ("sdnn-lambda",)
_PACKAGE = "serverless_dnn.bench.platforms"
NULL_COMMAND = (sys.executable, "-m", "awslambdaric", f"{_PACKAGE}.null_function.handler")
"""Starts a function that returns at once, for measuring the platform alone."""
# Only local facts are asked for, so an answer that takes longer will not come.
_CONTROL_TIMEOUT_S = 10.0


class LocalLambda:
    """A function. Its front door is another process, which starts the instances; both die with this one.

    Args:
        options: What is deployed.
        command: The command that starts the runtime client.
        timeout_s: How long an invocation may take.
        memory_mb: Reported to the function; not enforced here.
        init_timeout_s: How long the init phase may take before it is run again as part of the first invocation.

    Raises:
        StartError: The front door failed to start.
    """

    def __init__(
        self,
        options: DeployOptions,
        command: tuple[str, ...] = DEFAULT_COMMAND,
        timeout_s: float = 60.0,
        memory_mb: int = 3008,
        init_timeout_s: float = 10.0,
    ) -> None:
        config = FunctionConfig(
            command=command,
            environment=options.environment(),
            log_folder=options.log_folder,
            instances=options.instances,
            throttle=options.throttle,
            idle_timeout_s=options.idle_timeout_s,
            timeout_s=timeout_s,
            init_timeout_s=init_timeout_s,
            memory_mb=memory_mb,
        )
        door = [sys.executable, "-m", f"{_PACKAGE}.lambda_door", config.to_json()]
        self._door = start_server(door, {}, options.log_folder / "door-of-lambda.log")
        try:
            self._port = self._door.wait_ready(options.start_timeout_s)
            self._control_port = int(json.loads(self._door.ready_file.read_text(encoding="utf-8"))["control_port"])
        except BaseException:
            self._door.stop(0)
            raise
        self.facts = PlatformFacts(
            name="lambda",
            title="AWS Lambda, local",
            customization="function",
            protocol="REST",
            model_server="awslambdaric",
            limits={
                "requests_per_instance": 1,
                "instances": options.instances,
                "beyond_instances": "refused with 429" if options.throttle else "wait",
                "request_bytes": MAX_REQUEST_BYTES,
                "response_bytes": MAX_RESPONSE_BYTES,
                "timeout_s": timeout_s,
                "init_timeout_s": init_timeout_s,
                "idle_timeout_s": options.idle_timeout_s or "none",
                "memory_mb": f"{memory_mb}, not enforced",
            },
        )

    @property
    def url(self) -> str:
        """The function's URL."""
        return f"http://127.0.0.1:{self._port}"

    def ensure_instance(self) -> None:
        """Do nothing: the first request starts an instance."""

    def server_pids(self) -> tuple[int, ...]:
        """The processes of the running instances, without the front door.

        Raises:
            BenchError: The front door does not answer.
        """
        return self._ask().server_pids

    def invocations(self) -> tuple[Invocation, ...]:
        """What Lambda reports of each invocation so far, in the order in which they ended.

        Raises:
            BenchError: The front door does not answer.
        """
        return self._ask().invocations

    def stop(self) -> None:
        """Stop all instances and the front door."""
        self._door.stop()

    def _ask(self) -> FunctionFacts:
        connection = http.client.HTTPConnection("127.0.0.1", self._control_port, timeout=_CONTROL_TIMEOUT_S)
        try:
            connection.request("GET", FACTS_PATH)
            return FunctionFacts.from_json(connection.getresponse().read())
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(
                f"the local Lambda's front door does not answer: {error} (log: {self._door.log_path})"
            ) from None
        finally:
            connection.close()


def null_function(options: DeployOptions) -> LocalLambda:
    """Deploy a function that returns at once: what its calls take is the platform's and the runtime client's.

    Args:
        options: Where logs go, and at what scale; its model is not looked at.

    Returns:
        The function.

    Raises:
        StartError: The front door failed to start.
    """
    return LocalLambda(options, NULL_COMMAND)
