"""Lambda on this machine: real ``awslambdaric`` processes behind a function URL and the Invoke API.

Limits are AWS's (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""

import base64
import json
import time
from typing import Any

from aiohttp import web

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.platforms.base import DeployOptions, PlatformFacts
from serverless_dnn.bench.platforms.front_door import FrontDoor
from serverless_dnn.bench.platforms.instance_pool import InstancePool, Throttled
from serverless_dnn.bench.platforms.lambda_runtime import (
    MAX_RESPONSE_BYTES,
    ExecutionEnvironment,
    FunctionResult,
    RuntimeExited,
)
from serverless_dnn.bench.processes import ServerProcess, start_server

FUNCTION_NAME = "sdnn"
MAX_REQUEST_BYTES = 6 * 1024 * 1024
DEFAULT_COMMAND = ("sdnn-lambda",)
_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


class LocalLambda:
    """A function.

    Args:
        options: What is deployed.
        command: The command that starts the runtime client.
        timeout_s: How long an invocation may take.
        memory_mb: Reported to the function; not enforced here.
    """

    def __init__(
        self,
        options: DeployOptions,
        command: tuple[str, ...] = DEFAULT_COMMAND,
        timeout_s: float = 60.0,
        memory_mb: int = 3008,
    ) -> None:
        self._options, self._command, self._timeout_s, self._memory_mb = options, command, timeout_s, memory_mb
        self._pool: InstancePool[ExecutionEnvironment]
        self._door = FrontDoor(self._application, self._stop)
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
                "memory_mb": f"{memory_mb}, not enforced",
            },
        )

    @property
    def url(self) -> str:
        """The function's URL."""
        return f"http://127.0.0.1:{self._door.port}"

    def ensure_instance(self) -> None:
        """Do nothing: the first request starts an instance."""

    def stop(self) -> None:
        """Stop all instances and the front door."""
        self._door.stop()

    async def _application(self) -> web.Application:
        self._pool = InstancePool(self._start_instance, self._options.instances, throttle=self._options.throttle)
        application = web.Application(client_max_size=4 * MAX_REQUEST_BYTES)
        application.router.add_post("/2015-03-31/functions/{name}/invocations", self._invoke)
        application.router.add_route("*", "/{path:.*}", self._function_url)
        return application

    async def _stop(self) -> None:
        await self._pool.stop()

    async def _start_instance(self, number: int) -> ExecutionEnvironment:
        environment = ExecutionEnvironment(self._timeout_s)

        def launch(api: str) -> ServerProcess:
            variables = {
                **self._options.environment(),
                "AWS_LAMBDA_RUNTIME_API": api,
                "AWS_LAMBDA_FUNCTION_NAME": FUNCTION_NAME,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._memory_mb),
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{FUNCTION_NAME}",
                "AWS_LAMBDA_LOG_STREAM_NAME": f"local/[$LATEST]{number:012d}",
                "AWS_REGION": "local",
            }
            return start_server(list(self._command), variables, self._options.log_folder / f"lambda-{number}.log")

        try:
            await environment.start(launch, self._options.start_timeout_s)
        except StartError:
            await environment.stop()
            raise
        return environment

    async def _run(self, payload: bytes) -> FunctionResult:
        try:
            async with self._pool.instance() as environment:
                return await environment.invoke(payload)
        except RuntimeExited:
            return FunctionResult(b'{"errorType":"Runtime.ExitError","errorMessage":"Runtime exited"}', failed=True)
        except TimeoutError:
            message = f"Task timed out after {self._timeout_s:.2f} seconds"
            return FunctionResult(json.dumps({"errorMessage": message}).encode(), failed=True)
        except StartError as error:
            message = json.dumps({"errorType": "Runtime.InitError", "errorMessage": str(error)})
            return FunctionResult(message.encode(), failed=True)

    async def _invoke(self, request: web.Request) -> web.Response:
        if request.match_info["name"] != FUNCTION_NAME:
            return _api_error(404, "ResourceNotFoundException", f"Function not found: {request.match_info['name']}")
        payload = await request.read()
        if len(payload) > MAX_REQUEST_BYTES:
            message = f"{len(payload)} byte payload is too large for RequestResponse (limit {MAX_REQUEST_BYTES} bytes)"
            return _api_error(413, "RequestTooLargeException", message)
        try:
            result = await self._run(payload or b"{}")
        except Throttled:
            return _api_error(429, "TooManyRequestsException", "Rate Exceeded.")
        headers = {"X-Amz-Executed-Version": "$LATEST"}
        if result.failed:
            headers["X-Amz-Function-Error"] = "Unhandled"
        return web.Response(body=result.payload, headers=headers, content_type="application/json")

    async def _function_url(self, request: web.Request) -> web.Response:
        body = await request.read()
        if len(body) > MAX_REQUEST_BYTES:
            return web.json_response({"message": "Request Too Long"}, status=413)
        try:
            result = await self._run(json.dumps(_event(request, body)).encode())
        except Throttled:
            return web.json_response({"message": "Rate Exceeded."}, status=429)
        if result.failed:
            return web.json_response({"message": "Internal Server Error"}, status=502)
        return _http_response(result.payload)


def _event(request: web.Request, body: bytes) -> dict[str, Any]:
    """Convert an HTTP request to a payload format 2.0 event."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    text = headers.get("content-type", "").startswith(_TEXT_TYPES) and "content-encoding" not in headers
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.raw_path.partition("?")[0],
        "rawQueryString": request.query_string,
        "headers": headers,
        "requestContext": {
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.remote or "",
                "userAgent": headers.get("user-agent", ""),
            },
            "timeEpoch": int(time.time() * 1000),
        },
        "isBase64Encoded": not text,
    }
    if body:
        event["body"] = body.decode() if text else base64.b64encode(body).decode("ascii")
    return event


def _http_response(payload: bytes) -> web.Response:
    try:
        result = json.loads(payload)
        body = base64.b64decode(result["body"]) if result.get("isBase64Encoded") else result["body"].encode()
        return web.Response(body=body, status=result["statusCode"], headers=result.get("headers", {}))
    except (ValueError, KeyError, TypeError, AttributeError):
        return web.Response(body=payload, content_type="application/json")


def _api_error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"Type": "User", "Message": message}, status=status, headers={"x-amzn-ErrorType": kind})
