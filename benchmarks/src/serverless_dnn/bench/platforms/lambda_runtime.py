"""One Lambda execution environment: the Runtime API on one side, the real runtime client process on the other.

The API is AWS's (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, version 2018-06-01).
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.platforms.front_door import listen
from serverless_dnn.bench.processes import ServerProcess

API = "/2018-06-01/runtime"
# 6 MiB and 100 bytes (AWS's Runtime Interface Emulator).
MAX_RESPONSE_BYTES = 6_291_556
_POLL_S = 0.005


@dataclass(frozen=True)
class FunctionResult:
    """What a function returned.

    Attributes:
        payload: Its JSON.
        failed: Whether the function raised, or could not start.
    """

    payload: bytes
    failed: bool = False


class RuntimeExited(Exception):  # noqa: N818 - Lambda's own word for it
    """The function's process exited during an invocation."""


class ExecutionEnvironment:
    """A runtime client process and the API it polls.

    Args:
        timeout_s: How long an invocation may take.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._events: asyncio.Queue[tuple[str, bytes, int] | None] = asyncio.Queue()
        self._polled = asyncio.Event()
        self._result: asyncio.Future[FunctionResult] = asyncio.get_running_loop().create_future()
        self._process: ServerProcess | None = None
        self._runner: web.AppRunner | None = None

    async def start(self, launch: Callable[[str], ServerProcess], timeout_s: float) -> None:
        """Start the process and wait until it asks for its first event: the init phase.

        Args:
            launch: Starts the process, given the API's ``host:port``.
            timeout_s: How long the init phase may take.

        Raises:
            StartError: The process exited, reported an init error, or took too long.
        """
        application = web.Application(client_max_size=4 * MAX_RESPONSE_BYTES)
        application.router.add_get(f"{API}/invocation/next", self._next)
        application.router.add_post(f"{API}/invocation/{{id}}/response", self._response)
        application.router.add_post(f"{API}/invocation/{{id}}/error", self._error)
        application.router.add_post(f"{API}/init/error", self._error)
        self._runner, port = await listen(application)
        self._process = launch(f"127.0.0.1:{port}")
        deadline_ns = time.perf_counter_ns() + int(timeout_s * 1e9)
        while not self._polled.is_set():
            if self._result.done():
                raise StartError(f"the function reported an init error: {self._result.result().payload.decode()}")
            self._process.ready_port()
            if time.perf_counter_ns() > deadline_ns:
                raise StartError(f"the function's init took over {timeout_s} s (log: {self._process.log_path})")
            await asyncio.sleep(_POLL_S)

    async def invoke(self, payload: bytes) -> FunctionResult:
        """Hand over an event and wait for the result.

        Args:
            payload: The event's JSON.

        Returns:
            The function's result, failed or not.

        Raises:
            TimeoutError: The function took too long; the environment must be stopped.
            RuntimeExited: Its process exited; the environment must be stopped.
        """
        self._result = asyncio.get_running_loop().create_future()
        deadline_ms = int((time.time() + self._timeout_s) * 1000)
        await self._events.put((str(uuid.uuid4()), payload, deadline_ms))
        async with asyncio.timeout(self._timeout_s):
            while not self._result.done():
                if self._process is not None and self._process.process.poll() is not None:
                    raise RuntimeExited
                await asyncio.wait([self._result], timeout=0.1)
        return self._result.result()

    async def stop(self) -> None:
        """Kill the process immediately, as Lambda does with functions without extensions."""
        if self._process is not None:
            await asyncio.to_thread(self._process.stop, 0.0)
        # The pending poll of a killed process would delay the server's shutdown.
        await self._events.put(None)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _next(self, _request: web.Request) -> web.Response:
        self._polled.set()
        event = await self._events.get()
        if event is None:
            return web.Response(status=410)
        request_id, payload, deadline_ms = event
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:local:000000000000:function:local",
            "Lambda-Runtime-Trace-Id": f"Root=1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]}",
        }
        return web.Response(body=payload, headers=headers, content_type="application/json")

    async def _response(self, request: web.Request) -> web.Response:
        payload = await request.read()
        if len(payload) > MAX_RESPONSE_BYTES:
            message = f"Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
            self._finish(
                FunctionResult(
                    b'{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"' + message.encode() + b'"}',
                    failed=True,
                )
            )
            return web.json_response({"errorType": "RequestEntityTooLarge", "errorMessage": message}, status=413)
        self._finish(FunctionResult(payload))
        return web.json_response({"status": "OK"}, status=202)

    async def _error(self, request: web.Request) -> web.Response:
        self._finish(FunctionResult(await request.read(), failed=True))
        return web.json_response({"status": "OK"}, status=202)

    def _finish(self, result: FunctionResult) -> None:
        # Nobody is waiting for a late response to an invocation that timed out.
        if not self._result.done():
            self._result.set_result(result)
