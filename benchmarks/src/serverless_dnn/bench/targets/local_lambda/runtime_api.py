"""The Runtime API of one execution environment, which a runtime client polls for events.

The API is AWS's (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, version 2018-06-01).
"""

import asyncio
import time
from dataclasses import dataclass

import orjson
from aiohttp import web

from serverless_dnn.bench.targets.door_process import listen
from serverless_dnn.bench.targets.local_lambda.function import FUNCTION_ARN, MAX_RESPONSE_BYTES

_API = "/2018-06-01/runtime"
_ACCEPTED = b'{"status":"OK"}'


@dataclass(frozen=True)
class Event:
    """What a function is invoked with.

    Attributes:
        request_id: The invocation's id.
        payload: The event, as JSON.
        trace_id: The X-Ray trace's id.
        arrival_ns: When the front door had it, ``perf_counter_ns``.
        client_context: The caller's context, as JSON; ``None`` if there is none.
        wants_log: Whether the result is to hold the log's tail.
    """

    request_id: str
    payload: bytes
    trace_id: str
    arrival_ns: int
    client_context: str | None = None
    wants_log: bool = False


@dataclass(frozen=True)
class FunctionResult:
    """What an invocation led to.

    Attributes:
        payload: The function's result, or a description of the error, as JSON.
        error_type: The error's type; ``None`` after a success.
        log: The log's tail, if the event asked for it.
    """

    payload: bytes
    error_type: str | None = None
    log: bytes = b""


class RuntimeApi:
    """The API's server, for one runtime client after another.

    Attributes:
        address: Its ``host:port``, once it has been started.
        polled: Done as soon as the client waits for an event.
        init_error: Done as soon as the client reports that it cannot start.
    """

    polled: asyncio.Future[asyncio.Future[web.Response]]
    init_error: asyncio.Future[FunctionResult]

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self.address = ""
        self.forget_client()

    def forget_client(self) -> None:
        """Be ready for a new runtime client."""
        loop = asyncio.get_running_loop()
        self.polled, self.init_error = loop.create_future(), loop.create_future()
        self._result: asyncio.Future[FunctionResult] = loop.create_future()

    async def start(self) -> None:
        """Listen on a free port."""
        # Its client is trusted, and what is too long is reported in the API's own way.
        application = web.Application(client_max_size=0)
        application.router.add_get(f"{_API}/invocation/next", self._next)
        application.router.add_post(f"{_API}/invocation/{{id}}/response", self._response)
        application.router.add_post(f"{_API}/invocation/{{id}}/error", self._error)
        application.router.add_post(f"{_API}/init/error", self._init_error)
        self._runner, port = await listen(application)
        self.address = f"127.0.0.1:{port}"

    def deliver(self, event: Event, timeout_s: float) -> asyncio.Future[FunctionResult]:
        """Hand an event to the client that waits for one.

        Args:
            event: The event.
            timeout_s: How long the function may take.

        Returns:
            The future result.
        """
        loop = asyncio.get_running_loop()
        answer, self.polled, self._result = self.polled.result(), loop.create_future(), loop.create_future()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": event.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout_s) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
            "Lambda-Runtime-Trace-Id": event.trace_id,
        }
        if event.client_context is not None:
            headers["Lambda-Runtime-Client-Context"] = event.client_context
        answer.set_result(web.Response(body=event.payload, headers=headers, content_type="application/json"))
        return self._result

    async def stop(self) -> None:
        """Stop the server."""
        # The pending poll of a client that is gone would delay the shutdown.
        if self.polled.done() and not self.polled.result().done():
            self.polled.result().set_result(web.Response(status=410))
        if self._runner is not None:
            await self._runner.cleanup()

    async def _next(self, _request: web.Request) -> web.Response:
        loop = asyncio.get_running_loop()
        if self.polled.done():
            # A client that lost the connection asks again.
            self.polled = loop.create_future()
        answer: asyncio.Future[web.Response] = loop.create_future()
        self.polled.set_result(answer)
        return await answer

    async def _response(self, request: web.Request) -> web.Response:
        payload = await request.read()
        if len(payload) <= MAX_RESPONSE_BYTES:
            self._finish(FunctionResult(payload))
            return _reply(202, _ACCEPTED)
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        kind = "Function.ResponseSizeTooLarge"
        self._finish(FunctionResult(orjson.dumps({"errorMessage": message, "errorType": kind}), kind))
        message = f"Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        return _reply(413, orjson.dumps({"errorMessage": message, "errorType": "RequestEntityTooLarge"}))

    async def _error(self, request: web.Request) -> web.Response:
        self._finish(await _reported_error(request))
        return _reply(202, _ACCEPTED)

    async def _init_error(self, request: web.Request) -> web.Response:
        error = await _reported_error(request)
        if not self.init_error.done():
            self.init_error.set_result(error)
        return _reply(202, _ACCEPTED)

    def _finish(self, result: FunctionResult) -> None:
        # Nobody is waiting for a late response to an invocation that timed out.
        if not self._result.done():
            self._result.set_result(result)


async def _reported_error(request: web.Request) -> FunctionResult:
    payload = await request.read()
    try:
        kind = orjson.loads(payload)["errorType"]
    except (ValueError, TypeError, KeyError):
        kind = request.headers.get("Lambda-Runtime-Function-Error-Type", "Runtime.Unknown")
    return FunctionResult(payload, str(kind))


def _reply(status: int, body: bytes) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")
