"""SageMaker Serverless Inference on this machine: the container's own ``serve`` behind InvokeEndpoint.

The path and the headers are those of the InvokeEndpoint API; the limits are those of serverless endpoints
(https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html).
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.platforms.base import DeployOptions, PlatformFacts
from serverless_dnn.bench.platforms.front_door import FrontDoor
from serverless_dnn.bench.platforms.instance_pool import InstancePool, Throttled
from serverless_dnn.bench.processes import ServerProcess, start_server

ENDPOINT_NAME = "sdnn"
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
REQUEST_TIMEOUT_S = 60.0
DEFAULT_COMMAND = ("sdnn-sagemaker", "serve")
_PASSED_IN = ("content-type", "accept")
_PASSED_IN_PREFIX = "x-amzn-sagemaker-"
_PASSED_OUT = ("Content-Type", "X-Amzn-SageMaker-Custom-Attributes")


@dataclass
class _Container:
    """A running container.

    Attributes:
        process: Its process.
        port: The port it listens on.
    """

    process: ServerProcess
    port: int

    async def stop(self) -> None:
        """Stop it."""
        await asyncio.to_thread(self.process.stop)


class LocalSageMaker:
    """A serverless endpoint.

    Args:
        options: What is deployed.
        command: The command that starts the container's server.
        timeout_s: How long an invocation may take; the container is replaced afterwards.
    """

    def __init__(
        self,
        options: DeployOptions,
        command: tuple[str, ...] = DEFAULT_COMMAND,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self._options, self._command, self._timeout_s = options, command, timeout_s
        self._pool: InstancePool[_Container]
        self._session: aiohttp.ClientSession
        self._door = FrontDoor(self._application, self._stop)
        self.facts = PlatformFacts(
            name="sagemaker",
            title="SageMaker Serverless, local",
            customization="endpoint",
            protocol="REST",
            model_server="waitress",
            limits={
                "requests_per_instance": 1,
                "instances": options.instances,
                "beyond_instances": "refused with 429" if options.throttle else "wait",
                "payload_bytes": MAX_PAYLOAD_BYTES,
                "timeout_s": timeout_s,
                "memory_mb": "not enforced",
            },
        )

    @property
    def url(self) -> str:
        """The endpoint's URL, as the client expects it."""
        return f"sagemaker+http://127.0.0.1:{self._door.port}/{ENDPOINT_NAME}"

    def ensure_instance(self) -> None:
        """Do nothing: the first request starts an instance."""

    def server_pids(self) -> tuple[int, ...]:
        """The processes of the running containers."""
        return tuple(container.process.process.pid for container in self._pool.members)

    def stop(self) -> None:
        """Stop all containers and the front door."""
        self._door.stop()

    async def _application(self) -> web.Application:
        self._pool = InstancePool(
            self._start_container,
            self._options.instances,
            throttle=self._options.throttle,
            idle_timeout_s=self._options.idle_timeout_s,
        )
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        # SageMaker drops this header, and the one that would tell the caller that a response is compressed.
        dropped = ("Accept-Encoding",)
        self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False, skip_auto_headers=dropped)
        application = web.Application(client_max_size=4 * MAX_PAYLOAD_BYTES)
        application.router.add_post("/endpoints/{name}/invocations", self._invoke)
        return application

    async def _stop(self) -> None:
        await self._pool.stop()
        await self._session.close()

    async def _start_container(self, number: int) -> _Container:
        variables = {**self._options.environment(), "SAGEMAKER_BIND_TO_PORT": "0"}
        process = start_server(list(self._command), variables, self._options.log_folder / f"sagemaker-{number}.log")
        try:
            container = _Container(process, await asyncio.to_thread(process.wait_ready, self._options.start_timeout_s))
            async with self._session.get(f"http://127.0.0.1:{container.port}/ping") as ping:
                if ping.status != 200:
                    raise StartError(f"/ping returned {ping.status} although the container is ready")  # noqa: TRY301
        except BaseException:
            await asyncio.to_thread(process.stop)
            raise
        return container

    async def _invoke(self, request: web.Request) -> web.Response:
        if request.match_info["name"] != ENDPOINT_NAME:
            return _api_error(400, "ValidationError", f"Endpoint {request.match_info['name']} not found.")
        body = await request.read()
        if len(body) > MAX_PAYLOAD_BYTES:
            return _api_error(413, "ValidationError", f"Request body of {len(body)} bytes exceeds {MAX_PAYLOAD_BYTES}.")
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() in _PASSED_IN or name.lower().startswith(_PASSED_IN_PREFIX)
        }
        try:
            return await self._forward(body, headers)
        except Throttled:
            return _api_error(429, "ThrottlingException", "Rate exceeded")
        except StartError as error:
            return _api_error(500, "InternalFailure", str(error))

    async def _forward(self, body: bytes, headers: dict[str, str]) -> web.Response:
        try:
            async with self._pool.instance() as container:
                return await self._ask(container, body, headers)
        except TimeoutError:
            return _model_error(0, f"the container did not answer within {self._timeout_s:g} s")
        except aiohttp.ClientError as error:
            return _model_error(502, f"the container closed the connection: {error}")

    async def _ask(self, container: _Container, body: bytes, headers: dict[str, str]) -> web.Response:
        url = f"http://127.0.0.1:{container.port}/invocations"
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        try:
            async with self._session.post(url, data=body, headers=headers, timeout=timeout) as answer:
                return _caller_response(answer.status, await answer.read(), answer.headers)
        except TimeoutError:
            # It would finish the invocation before it stops, and its caller has waited long enough.
            await asyncio.to_thread(container.process.stop, 0)
            raise


def _caller_response(status: int, body: bytes, headers: Mapping[str, str]) -> web.Response:
    if not 200 <= status < 300:
        return _model_error(status, body.decode("utf-8", "replace"))
    if len(body) > MAX_PAYLOAD_BYTES:
        return _model_error(status, f"Response body of {len(body)} bytes exceeds {MAX_PAYLOAD_BYTES}.")
    passed = {name: headers[name] for name in _PASSED_OUT if name in headers}
    return web.Response(body=body, headers={**passed, "x-Amzn-Invoked-Production-Variant": "AllTraffic"})


def _model_error(status: int, message: str) -> web.Response:
    document = {
        "ErrorCode": "ModelError" if status else "ModelInvocationTimeExceeded",
        "Message": f"Received error ({status}) from primary with message {json.dumps(message[:1000])}.",
        "OriginalStatusCode": status,
        "OriginalMessage": message,
        "LogStreamArn": "",
    }
    return web.json_response(document, status=424, headers={"x-amzn-ErrorType": "ModelError"})


def _api_error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers={"x-amzn-ErrorType": kind})
