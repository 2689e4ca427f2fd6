"""A function's two front ends: the function URL, and the Invoke API to which Amazon's SDKs speak.

The API is https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html.
"""

import asyncio
import base64
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import orjson
from aiohttp import web

from serverless_dnn.bench.targets.instance_pool import Throttled
from serverless_dnn.bench.targets.local_lambda.events import JSON_TYPE, UrlRequest, make_event, parse_json, read_answer
from serverless_dnn.bench.targets.local_lambda.function import (
    FUNCTION_ARN,
    FUNCTION_NAME,
    MAX_EVENT_BYTES,
    MAX_REQUEST_BYTES,
    VERSION,
)
from serverless_dnn.bench.targets.local_lambda.runtime_api import Event, FunctionResult

# What is a little too long is read whole, so that its sender gets the answer instead of a closed connection.
_READ_BYTES = 4 * MAX_REQUEST_BYTES
_TOO_LONG = f"Request must be smaller than {MAX_REQUEST_BYTES} bytes for the InvokeFunction operation"
# A name, or the end of an ARN, with or without a version.
_NAME = re.compile(rf"(?:(?:.*:)?function:)?{FUNCTION_NAME}(?::(?P<qualifier>[^:]+))?")
_TYPES = ("Event", "RequestResponse", "DryRun")
_log = logging.getLogger(__name__)


class _ApiError(Exception):
    """What the Invoke API answers instead of a result."""

    def __init__(self, status: int, kind: str, message: str, **facts: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind
        self.document = {"Type": "User", "message": message, **facts}


class LambdaFront:
    """The HTTP side of a function.

    Args:
        run: Runs an event synchronously, unless ``Throttled`` is raised.
        run_later: Runs an event as soon as there is an instance for it.
    """

    def __init__(
        self,
        run: Callable[[Event], Awaitable[FunctionResult]],
        run_later: Callable[[Event], Awaitable[FunctionResult]],
    ) -> None:
        self._run, self._run_later = run, run_later
        self._later: set[asyncio.Future[FunctionResult]] = set()

    def application(self) -> web.Application:
        """Create the web application."""
        application = web.Application(client_max_size=_READ_BYTES)
        application.router.add_post("/2015-03-31/functions/{name}/invocations", self._invoke)
        application.router.add_route("*", "/{path:.*}", self._function_url)
        return application

    async def _function_url(self, request: web.Request) -> web.Response:
        request_id, trace_id = _new_ids(request)
        headers = {"x-amzn-RequestId": request_id}
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _message(413, _TOO_LONG, headers)
        arrival_ns = time.perf_counter_ns()
        called = UrlRequest(request.method, request.raw_path, request.headers.items(), body, request.remote or "")
        payload = make_event(called, request_id, trace_id, datetime.now(UTC))
        if len(payload) > MAX_REQUEST_BYTES:
            return _message(413, _TOO_LONG, headers)
        try:
            result = await self._run(Event(request_id, payload, trace_id, arrival_ns))
        except Throttled:
            return _message(429, "Rate Exceeded.", headers)
        if result.error_type is None:
            try:
                answer = read_answer(result.payload)
            except ValueError as error:
                _log.warning("%s: the result is not an HTTP answer: %s", request_id, error)
            else:
                return web.Response(body=answer.body, status=answer.status, headers=[*answer.headers, *headers.items()])
        return web.Response(body=b"Internal Server Error", status=502, headers={**headers, "content-type": JSON_TYPE})

    async def _invoke(self, request: web.Request) -> web.Response:
        request_id, trace_id = _new_ids(request)
        headers = {"x-amzn-RequestId": request_id}
        try:
            invocation_type = _checked_target(request)
            event = Event(
                request_id,
                await _checked_payload(request, invocation_type),
                trace_id,
                time.perf_counter_ns(),
                _client_context(request),
                wants_log=request.headers.get("X-Amz-Log-Type") == "Tail",
            )
            if invocation_type == "DryRun":
                return web.Response(status=204, headers=headers)
            if invocation_type == "Event":
                # Unlike Lambda, this is not tried again if it fails.
                task = asyncio.ensure_future(self._run_later(event))
                self._later.add(task)
                task.add_done_callback(self._later.discard)
                return web.Response(status=202, headers=headers)
            result = await self._run_or_refuse(event)
        except _ApiError as error:
            headers["x-amzn-ErrorType"] = error.kind
            body = orjson.dumps(error.document)
            return web.Response(body=body, status=error.status, headers=headers, content_type=JSON_TYPE)
        headers["X-Amz-Executed-Version"] = VERSION
        if result.error_type is not None:
            headers["X-Amz-Function-Error"] = "Unhandled"
        if event.wants_log:
            headers["X-Amz-Log-Result"] = base64.b64encode(result.log).decode("ascii")
        return web.Response(body=result.payload, headers=headers, content_type=JSON_TYPE)

    async def _run_or_refuse(self, event: Event) -> FunctionResult:
        try:
            return await self._run(event)
        except Throttled:
            reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
            raise _ApiError(429, "TooManyRequestsException", "Rate Exceeded.", Reason=reason) from None


def _checked_target(request: web.Request) -> str:
    """The invocation's type; raises if the function or the type does not exist."""
    name = request.match_info["name"]
    match = _NAME.fullmatch(name)
    qualifier = request.query.get("Qualifier") or (match and match["qualifier"]) or VERSION
    if match is None or qualifier != VERSION:
        arn = f"{FUNCTION_ARN.removesuffix(FUNCTION_NAME)}{FUNCTION_NAME if match else name}:{qualifier}"
        raise _ApiError(404, "ResourceNotFoundException", f"Function not found: {arn}")
    invocation_type = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
    if invocation_type not in _TYPES:
        message = (
            f"1 validation error detected: Value '{invocation_type}' at 'invocationType' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(_TYPES)}]"
        )
        raise _ApiError(400, "ValidationException", message)
    return invocation_type


async def _checked_payload(request: web.Request, invocation_type: str) -> bytes:
    try:
        payload = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _ApiError(413, "RequestTooLargeException", _TOO_LONG) from None
    if len(payload) > MAX_REQUEST_BYTES:
        raise _ApiError(413, "RequestTooLargeException", _TOO_LONG)
    if invocation_type == "Event" and len(payload) > MAX_EVENT_BYTES:
        message = f"{len(payload)} byte payload is too large for the Event invocation type (limit {MAX_EVENT_BYTES})"
        raise _ApiError(413, "RequestTooLargeException", message)
    if not payload:
        return b"{}"
    try:
        parse_json(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: Could not parse payload into json: {error}"
        raise _ApiError(400, "InvalidRequestContentException", message) from None
    return payload


def _client_context(request: web.Request) -> str | None:
    encoded = request.headers.get("X-Amz-Client-Context")
    if encoded is None:
        return None
    try:
        # In one line of ASCII, as a header's value should be.
        return json.dumps(parse_json(base64.b64decode(encoded, validate=True)))
    except ValueError:
        message = "Client context must be a valid Base64-encoded JSON object."
        raise _ApiError(400, "InvalidRequestContentException", message) from None


def _new_ids(request: web.Request) -> tuple[str, str]:
    """A new invocation's id, and the id of the trace it belongs to."""
    request_id = uuid.uuid4()
    given = request.headers.get("X-Amzn-Trace-Id", "")
    new = f"Root=1-{int(time.time()):08x}-{request_id.hex[:24]}"
    return str(request_id), given if given and given.isascii() else new


def _message(status: int, text: str, headers: dict[str, str]) -> web.Response:
    body = orjson.dumps({"Message": text})
    return web.Response(body=body, status=status, headers=headers, content_type=JSON_TYPE)
