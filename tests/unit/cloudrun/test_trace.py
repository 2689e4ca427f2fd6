"""A line logged while a call is in work carries the call's trace, as Cloud Logging reads it."""

import asyncio
import json
import logging
from typing import NoReturn

import grpc
import pytest

from serverless_dnn.cloudrun_grpc.trace import trace_fields
from serverless_dnn.runtime import logs
from serverless_dnn.runtime.inference.admission import Admission
from serverless_dnn.runtime.rpc.calls import GrpcCalls
from serverless_dnn.runtime.rpc.worker_threads import WorkerThreads
from serverless_dnn.runtime.timing import Instance

TRACE = "0af7651916cd43dd8448eb211c80319c"
FIELDS = {
    "logging.googleapis.com/trace": f"projects/my-project/traces/{TRACE}",
    "logging.googleapis.com/spanId": "b7ad6b7169203331",
}


def _fail(*_: object) -> NoReturn:
    raise RuntimeError("a fault")


async def _fail_a_call(metadata: tuple[tuple[str, str], ...]) -> None:
    threads = WorkerThreads(1, "test")
    server = grpc.aio.server()
    calls = GrpcCalls(Instance(), threads, Admission(concurrency=1, max_bytes=1))
    handler = grpc.method_handlers_generic_handler("test", {"Fail": calls.unary("Fail", _fail)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="the server's log has the details"):
            await channel.unary_unary("/test/Fail")(b"", metadata=metadata, timeout=30)
    await server.stop(0)
    threads.stop()


@pytest.mark.parametrize(
    ("metadata", "fields"),
    [
        ((("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),), FIELDS),
        ((("x-cloud-trace-context", f"{TRACE}/{0xB7AD6B7169203331};o=1"),), FIELDS),
        ((("traceparent", "nonsense"),), {}),
        ((), {}),
    ],
)
def test_lines_of_a_call_name_its_trace(
    metadata: tuple[tuple[str, str], ...],
    fields: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "_FIELDS", [lambda: trace_fields("my-project")])
    caplog.handler.setFormatter(logs.JsonFormatter())

    with caplog.at_level(logging.ERROR):
        asyncio.run(_fail_a_call(metadata))

    (line,) = (json.loads(line) for line in caplog.text.splitlines())
    assert {name: value for name, value in line.items() if name.startswith("logging.")} == fields
    assert line["severity"] == "ERROR"
    assert "RuntimeError: a fault" in line["exception"]


def test_without_a_project_there_is_no_trace() -> None:
    assert trace_fields(None) == {}
