"""One Lambda execution environment: its init phase, its invocations, and its end.

How the phases fail, and what the caller is told, is Lambda's
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson

from serverless_dnn.bench.targets.door_config import DoorConfig
from serverless_dnn.bench.targets.door_process import Ledger
from serverless_dnn.bench.targets.instance_process import TIMED_OUT, InstanceProcess, RunningInvocation, signal_name
from serverless_dnn.bench.targets.local_lambda.function import FUNCTION_NAME, VERSION, reported_memory_mb
from serverless_dnn.bench.targets.local_lambda.instance_log import InstanceLog
from serverless_dnn.bench.targets.local_lambda.runtime_api import Event, FunctionResult, RuntimeApi
from serverless_dnn.bench.targets.processes import ServerProcess, start_server
from serverless_dnn.bench.targets.records import OUT_OF_MEMORY, Status

_TIMED_OUT = "Sandbox.Timedout"
_EXITED = "Runtime.ExitError"
_OUT_OF_MEMORY = "Runtime.OutOfMemory"


class EnvironmentLost(Exception):  # noqa: N818 - an outcome, with a result for the caller
    """An invocation ended together with its environment.

    Args:
        result: What the caller gets.
    """

    def __init__(self, result: FunctionResult) -> None:
        super().__init__(result.error_type)
        self.result = result


class RuntimeGone(Exception):  # noqa: N818 - an outcome
    """The process had ended before it took the event, which is for another environment now."""


class ExecutionEnvironment:
    """A runtime client's process and the API it polls.

    Args:
        config: The function.
        number: The environment's number, from 1.
        ledger: What is recorded.
        on_exit: Called with the environment when its process has ended.
    """

    def __init__(
        self, config: DoorConfig, number: int, ledger: Ledger, on_exit: Callable[["ExecutionEnvironment"], None]
    ) -> None:
        self._config, self._ledger, self._on_exit = config, ledger, on_exit
        self._instance = f"{number:012d}"
        self._history = ledger.new_instance(self._instance)
        self._log_path = config.options.log_folder / f"lambda-{number}.log"
        self._log = InstanceLog(self._log_path)
        self._api = RuntimeApi()
        self._process: InstanceProcess | None = None
        self._is_initialised = False
        self._has_answered = False
        self._is_overdue = False

    async def start(self) -> None:
        """Run the init phase. If it fails, it is run again as part of the first invocation.

        Raises:
            StartError: There is no such command.
        """
        await self._api.start()
        await self._initialise("init", self._config.init_timeout_s)

    async def invoke(self, event: Event) -> FunctionResult:
        """Hand over an event and wait for the result.

        Args:
            event: The event.

        Returns:
            The function's result, which may be an error that it raised.

        Raises:
            EnvironmentLost: The function took too long, its process ended, or its init phase failed again; the
                environment must be stopped.
            RuntimeGone: Its process had ended before; the environment must be stopped.
        """
        timeout_s = self._config.timeout_s
        if self._is_initialised:
            process = await self._idle_process()
            running = self._history.begin(event.request_id, event.arrival_ns)
        else:
            running = self._history.begin(event.request_id, event.arrival_ns)
            process, error = await self._initialise("invoke", timeout_s, event.request_id)
            if error is not None:
                self._log.begin(event.request_id)
                self._is_overdue = error.error_type == _TIMED_OUT
                raise EnvironmentLost(self._end(running, event, error, survived=False))
            timeout_s -= (time.perf_counter_ns() - running.begin_ns) / 1e9
        self._log.begin(event.request_id)
        result = self._api.deliver(event, timeout_s)
        await _first_of(result, process.exited, timeout_s=timeout_s)
        if result.done():
            return self._end(running, event, result.result(), survived=True)
        error = self._why_unfinished(process, event.request_id)
        self._is_overdue = error.error_type == _TIMED_OUT
        raise EnvironmentLost(self._end(running, event, error, survived=False))

    async def stop(self, reason: str) -> None:
        """Kill the process immediately, as Lambda does with functions without extensions.

        Args:
            reason: Why, unless the environment has ended before in another way.
        """
        if self._process is not None:
            why = reason if self._process.is_running() else self._process.why_exited()
            await self._process.stop(0)
            self._history.ended(TIMED_OUT if self._is_overdue else why)
        await self._api.stop()
        self._log.close()

    async def _initialise(
        self, phase: str, timeout_s: float, request_id: str = ""
    ) -> tuple[InstanceProcess, FunctionResult | None]:
        """Start a process in place of the one before, and wait until it asks for its first event."""
        if self._process is not None:
            await self._process.stop(0)
        self._api.forget_client()
        begin_ns = time.perf_counter_ns()
        self._process = process = InstanceProcess(self._launch(), self._exited)
        self._history.spawned(process)
        await _first_of(self._api.polled, self._api.init_error, process.exited, timeout_s=timeout_s)
        if self._api.polled.done():
            self._is_initialised = True
            self._history.ready(counts_as_init=phase == "init")
            return process, None
        if self._api.init_error.done():
            error = self._api.init_error.result()
        else:
            error = self._why_unfinished(process, request_id)
        self._log.init_failed(phase, time.perf_counter_ns() - begin_ns, _status_of(error), error.error_type)
        return process, error

    async def _idle_process(self) -> InstanceProcess:
        process = self._process
        assert process is not None
        if not self._api.polled.done():
            await _first_of(self._api.polled, process.exited, timeout_s=self._config.timeout_s)
        # One that ends before its very first event would do so in every environment: that is the function's error.
        if (not process.is_running() or not self._api.polled.done()) and self._has_answered:
            raise RuntimeGone
        return process

    def _why_unfinished(self, process: InstanceProcess, request_id: str) -> FunctionResult:
        if not process.exited.done():
            kind, why = _TIMED_OUT, f"Task timed out after {self._config.timeout_s:.2f} seconds"
        elif process.why_exited() == OUT_OF_MEMORY:
            kind, why = _OUT_OF_MEMORY, _describe_exit(process.exited.result())
        else:
            kind, why = _EXITED, _describe_exit(process.exited.result())
        document = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {why}"}
        return FunctionResult(orjson.dumps(document), kind)

    def _end(
        self, running: RunningInvocation, event: Event, result: FunctionResult, *, survived: bool
    ) -> FunctionResult:
        self._has_answered = True
        memory_mb = reported_memory_mb(self._config.options)
        invocation = running.end(_status_of(result), result.error_type, memory_mb)
        self._log.end(invocation, survived=survived)
        self._ledger.add(invocation)
        return FunctionResult(result.payload, result.error_type, self._log.tail()) if event.wants_log else result

    def _exited(self) -> None:
        # A process that ends in the init phase is replaced by another in the same environment.
        if self._is_initialised:
            self._on_exit(self)

    def _launch(self) -> ServerProcess:
        variables = self._config.variables(
            AWS_LAMBDA_RUNTIME_API=self._api.address,
            AWS_LAMBDA_FUNCTION_NAME=FUNCTION_NAME,
            AWS_LAMBDA_FUNCTION_VERSION=VERSION,
            AWS_LAMBDA_FUNCTION_MEMORY_SIZE=str(reported_memory_mb(self._config.options)),
            AWS_LAMBDA_INITIALIZATION_TYPE="on-demand",
            AWS_LAMBDA_LOG_GROUP_NAME=f"/aws/lambda/{FUNCTION_NAME}",
            AWS_LAMBDA_LOG_STREAM_NAME=f"local/[{VERSION}]{self._instance}",
            AWS_REGION="local",
        )
        return start_server(list(self._config.command), variables, self._log_path, self._config.limits)


def _status_of(result: FunctionResult) -> Status:
    if result.error_type is None:
        return "success"
    return "timeout" if result.error_type == _TIMED_OUT else "error"


def _describe_exit(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    if code < 0:
        return f"Runtime exited with error: signal: {signal_name(-code)}"
    return f"Runtime exited with error: exit status {code}"


async def _first_of(*futures: asyncio.Future[Any], timeout_s: float | None = None) -> None:
    await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
