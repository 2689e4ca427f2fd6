"""One Lambda execution environment: its init phase, its invocations, and its end.

How the phases fail, and what the caller is told, is Lambda's
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from serverless_dnn.bench.platforms.lambda_function import FUNCTION_NAME, VERSION, FunctionConfig, Invocation, Status
from serverless_dnn.bench.platforms.lambda_log import InstanceLog
from serverless_dnn.bench.platforms.lambda_runtime import Event, FunctionResult, RuntimeApi
from serverless_dnn.bench.processes import ServerProcess, start_server

_TIMED_OUT = "Sandbox.Timedout"
_EXITED = "Runtime.ExitError"


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
        on_invocation: Called with the facts of each invocation.
        on_exit: Called with the environment when its process has ended.
    """

    def __init__(
        self,
        config: FunctionConfig,
        number: int,
        on_invocation: Callable[[Invocation], None],
        on_exit: Callable[["ExecutionEnvironment"], None],
    ) -> None:
        self._config, self._on_invocation, self._on_exit = config, on_invocation, on_exit
        self._instance = f"{number:012d}"
        self._log_path = config.log_folder / f"lambda-{number}.log"
        self._log = InstanceLog(self._log_path)
        self._api = RuntimeApi()
        self._process: _RuntimeProcess | None = None
        self._is_initialised = False
        self._init_ns: int | None = None
        self._max_memory_mb = 0

    @property
    def pid(self) -> int | None:
        """The process's id; ``None`` if it is not running."""
        return self._process.pid if self._process is not None and self._process.is_running() else None

    async def start(self) -> None:
        """Run the init phase. If it fails, it is run again as part of the first invocation.

        Raises:
            StartError: There is no such command.
        """
        await self._api.start()
        begin_ns = time.perf_counter_ns()
        await self._initialise("init", self._config.init_timeout_s)
        if self._is_initialised:
            self._init_ns = time.perf_counter_ns() - begin_ns

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
            begin_ns = time.perf_counter_ns()
        else:
            begin_ns = time.perf_counter_ns()
            process, error = await self._initialise("invoke", timeout_s, event.request_id)
            if error is not None:
                self._log.begin(event.request_id)
                raise EnvironmentLost(self._end(event, error, begin_ns, survived=False))
            timeout_s -= (time.perf_counter_ns() - begin_ns) / 1e9
        self._log.begin(event.request_id)
        result = self._api.deliver(event, timeout_s)
        await _first_of(result, process.exited, timeout_s=timeout_s)
        if result.done():
            return self._end(event, result.result(), begin_ns, survived=True)
        error = self._why_unfinished(process, event.request_id)
        raise EnvironmentLost(self._end(event, error, begin_ns, survived=False))

    async def stop(self) -> None:
        """Kill the process immediately, as Lambda does with functions without extensions."""
        if self._process is not None:
            await self._process.kill()
        await self._api.stop()
        self._log.close()

    async def _initialise(
        self, phase: str, timeout_s: float, request_id: str = ""
    ) -> tuple["_RuntimeProcess", FunctionResult | None]:
        """Start a process in place of the one before, and wait until it asks for its first event."""
        if self._process is not None:
            await self._process.kill()
        self._api.forget_client()
        begin_ns = time.perf_counter_ns()
        self._process = process = _RuntimeProcess(self._launch(), lambda: self._on_exit(self))
        await _first_of(self._api.polled, self._api.init_error, process.exited, timeout_s=timeout_s)
        if self._api.polled.done():
            self._is_initialised = True
            self._max_memory_mb = process.peak_memory_mb()
            return process, None
        if self._api.init_error.done():
            error = self._api.init_error.result()
        else:
            error = self._why_unfinished(process, request_id)
        self._log.init_failed(phase, time.perf_counter_ns() - begin_ns, _status_of(error), error.error_type)
        return process, error

    async def _idle_process(self) -> "_RuntimeProcess":
        process = self._process
        assert process is not None
        if not self._api.polled.done():
            await _first_of(self._api.polled, process.exited, timeout_s=self._config.timeout_s)
        # One that ends before its very first event would do so in every environment: that is the function's error.
        if (not process.is_running() or not self._api.polled.done()) and self._init_ns is None:
            raise RuntimeGone
        return process

    def _why_unfinished(self, process: "_RuntimeProcess", request_id: str) -> FunctionResult:
        if process.exited.done():
            kind, why = _EXITED, _describe_exit(process.exited.result())
        else:
            kind, why = _TIMED_OUT, f"Task timed out after {self._config.timeout_s:.2f} seconds"
        document = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {why}"}
        return FunctionResult(orjson.dumps(document), kind)

    def _end(self, event: Event, result: FunctionResult, begin_ns: int, *, survived: bool) -> FunctionResult:
        assert self._process is not None
        duration_ns = time.perf_counter_ns() - begin_ns
        self._max_memory_mb = max(self._max_memory_mb, self._process.peak_memory_mb())
        invocation = Invocation(
            request_id=event.request_id,
            instance=self._instance,
            status=_status_of(result),
            error_type=result.error_type,
            duration_ns=duration_ns,
            init_ns=self._init_ns,
            memory_mb=self._config.memory_mb,
            max_memory_mb=self._max_memory_mb,
        )
        self._init_ns = None
        self._log.end(invocation, survived=survived)
        self._on_invocation(invocation)
        return FunctionResult(result.payload, result.error_type, self._log.tail()) if event.wants_log else result

    def _launch(self) -> ServerProcess:
        variables = {
            **self._config.environment,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": FUNCTION_NAME,
            "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._config.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{FUNCTION_NAME}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"local/[{VERSION}]{self._instance}",
            "AWS_REGION": "local",
        }
        return start_server(list(self._config.command), variables, self._log_path)


class _RuntimeProcess:
    """A process whose end the event loop learns of at once.

    Args:
        process: The process.
        on_exit: Called when it has ended.
    """

    def __init__(self, process: ServerProcess, on_exit: Callable[[], None]) -> None:
        self._process, self._on_exit = process, on_exit
        self.pid = process.process.pid
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pidfd = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    def is_running(self) -> bool:
        """Ask the kernel; ``exited`` is set a moment later."""
        return self._process.process.poll() is None

    def peak_memory_mb(self) -> int:
        """The most memory it has used so far, in MiB; 0 if it has ended."""
        try:
            lines = Path(f"/proc/{self.pid}/status").read_bytes().splitlines()
        except OSError:
            return 0
        return next((-(-int(line.split()[1]) // 1024) for line in lines if line.startswith(b"VmHWM:")), 0)

    async def kill(self) -> None:
        """Kill it and whatever it started."""
        await asyncio.to_thread(self._process.stop, 0.0)
        await self.exited

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.exited.set_result(self._process.process.wait())
        self._on_exit()


def _status_of(result: FunctionResult) -> Status:
    if result.error_type is None:
        return "success"
    return "timeout" if result.error_type == _TIMED_OUT else "error"


def _describe_exit(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    if code < 0:
        return f"Runtime exited with error: signal: {(signal.strsignal(-code) or str(-code)).lower()}"
    return f"Runtime exited with error: exit status {code}"


async def _first_of(*futures: asyncio.Future[Any], timeout_s: float | None = None) -> None:
    await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
