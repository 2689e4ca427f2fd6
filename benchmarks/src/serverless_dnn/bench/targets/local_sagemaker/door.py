"""The front door of the local SageMaker: InvokeEndpoint, and the containers behind.

Paths, headers and errors are those of the API
(https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html).
"""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from serverless_dnn.bench.errors import StartError
from serverless_dnn.bench.targets.container import Container, ContainerGone
from serverless_dnn.bench.targets.door_config import DoorConfig
from serverless_dnn.bench.targets.door_process import Ledger, listen, make_pool, run_door
from serverless_dnn.bench.targets.instance_pool import Throttled
from serverless_dnn.bench.targets.instance_process import TIMED_OUT
from serverless_dnn.bench.targets.local_sagemaker.endpoint import ENDPOINT_NAME, MAX_PAYLOAD_BYTES
from serverless_dnn.bench.targets.records import OUT_OF_MEMORY

_PASSED_IN = ("content-type", "accept")
_PASSED_IN_PREFIX = "x-amzn-sagemaker-"
_PASSED_OUT = ("Content-Type", "X-Amzn-SageMaker-Custom-Attributes")
# Far longer than it takes to see that a process has ended which has closed its connections.
_EXIT_S = 1.0


@dataclass(frozen=True)
class _Call:
    """An invocation.

    Attributes:
        request_id: Its id.
        arrival_ns: When the front door had it.
        body: Its body.
        headers: What the container is told of it.
    """

    request_id: str
    arrival_ns: int
    body: bytes
    headers: Mapping[str, str]


class _ContainerLost(Exception):  # noqa: N818 - an outcome, with an answer for the caller
    """An invocation ended together with its container.

    Args:
        answer: What the caller gets.
    """

    def __init__(self, answer: web.Response) -> None:
        super().__init__()
        self.answer = answer


class SageMakerDoor:
    """An endpoint's containers, and their front door.

    Args:
        config: The endpoint.

    Attributes:
        ledger: What has happened.
    """

    def __init__(self, config: DoorConfig) -> None:
        self.ledger = Ledger()
        self._config = config
        self._pool = make_pool(config, self._start_container)
        # SageMaker drops this header, and the one that would tell the caller that a response is compressed.
        dropped = ("Accept-Encoding",)
        timeout = aiohttp.ClientTimeout(total=config.timeout_s)
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, skip_auto_headers=dropped
        )

    async def start(self) -> int:
        """Listen for callers, and return the port."""
        # What is a little too long is read whole, so that its sender gets the answer instead of a closed connection.
        application = web.Application(client_max_size=4 * MAX_PAYLOAD_BYTES)
        application.router.add_post("/endpoints/{name}/invocations", self._invoke)
        self._runner, port = await listen(application)
        return port

    async def scale_to_zero(self) -> None:
        """Wait until all requests have been answered, and stop all containers."""
        await self._pool.scale_to_zero()

    async def stop(self) -> None:
        """Stop all containers, then stop listening."""
        await self._pool.stop()
        await self._session.close()
        await self._runner.cleanup()

    async def _start_container(self, number: int) -> Container:
        container = Container(f"sagemaker-{number}", self._config, self.ledger, lambda: self._pool.discard(container))
        await container.start({"SAGEMAKER_BIND_TO_PORT": "0", "SAGEMAKER_REGION": "local", "AWS_REGION": "local"})
        try:
            async with self._session.get(f"http://127.0.0.1:{container.port}/ping") as ping:
                if ping.status != 200:
                    raise StartError(f"/ping returned {ping.status} although the container is ready")  # noqa: TRY301
        except BaseException as error:
            await container.stop("/ping failed")
            if isinstance(error, aiohttp.ClientError):
                raise StartError(f"/ping failed although the container is ready: {error}") from None
            raise
        container.ready()
        return container

    async def _invoke(self, request: web.Request) -> web.Response:
        request_id = str(uuid.uuid4())
        answer = await self._answer(request, request_id)
        answer.headers["x-amzn-RequestId"] = request_id
        return answer

    async def _answer(self, request: web.Request, request_id: str) -> web.Response:
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
        call = _Call(request_id, time.perf_counter_ns(), body, headers)
        while True:
            try:
                async with self._pool.instance() as container:
                    return await self._ask(container, call)
            except ContainerGone:
                continue
            except _ContainerLost as lost:
                return lost.answer
            except Throttled:
                return _api_error(429, "ThrottlingException", "Rate exceeded")
            except StartError as error:
                return _api_error(500, "InternalFailure", str(error))

    async def _ask(self, container: Container, call: _Call) -> web.Response:
        running = container.begin(call.request_id, call.arrival_ns)
        url = f"http://127.0.0.1:{container.port}/invocations"
        try:
            async with self._session.post(url, data=call.body, headers=call.headers) as reply:
                status, body, headers = reply.status, await reply.read(), reply.headers
        except TimeoutError:
            container.end(running, "timeout", "ModelInvocationTimeExceeded")
            # It would finish the invocation before it stops, and its caller has waited long enough.
            await container.stop(TIMED_OUT, 0)
            message = f"the container did not answer within {self._config.timeout_s:g} s"
            raise _ContainerLost(_model_error(0, message)) from None
        except aiohttp.ClientError as error:
            message = f"the container closed the connection: {error}"
            kind = "ModelError"
            if await container.has_exited(_EXIT_S):
                message = container.why_exited()
                kind = OUT_OF_MEMORY if container.is_out_of_memory() else kind
            container.end(running, "error", kind)
            raise _ContainerLost(_model_error(502, message)) from None
        answer = _caller_response(status, body, headers)
        container.end(running, *(("success", None) if answer.status == 200 else ("error", "ModelError")))
        return answer


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


if __name__ == "__main__":
    run_door(SageMakerDoor)
