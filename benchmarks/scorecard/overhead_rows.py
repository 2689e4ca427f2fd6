"""The gRPC server's overhead over a bare ``grpc.aio`` echo."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
from cloudrun_server import start_cloudrun
from identity_model import SIZES, UNLIMITED, save_identity
from rows import Effort, Row, ratio_row

from serverless_dnn.bench.targets.processes import start_server
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.wire.messages import encode_request

_ECHO = """
import asyncio, json, os
import grpc.aio

async def echo(body, context):
    return body

async def main():
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.Echo", {"Echo": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    path = os.environ["SDNN_READY_FILE"]
    with open(path + ".partial", "w") as file:
        json.dump({"port": port}, file)
    os.rename(path + ".partial", path)
    await server.wait_for_termination()

asyncio.run(main())
"""


def overhead_rows(effort: Effort) -> Iterator[Row]:
    """``overhead.cloudrun.<bytes>``: p50 of an identity model, of that of the echo, over one channel each.

    Args:
        effort: How long to measure.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        root = Path(folder)
        echo = start_server([sys.executable, "-c", _ECHO], {}, root / "echo.log")
        running.callback(echo.stop, 0)
        served = start_cloudrun(running, "identity", save_identity(root / "identity"), root)
        one = running.enter_context(grpc.insecure_channel(f"127.0.0.1:{echo.wait_ready(30)}", UNLIMITED))
        other = running.enter_context(grpc.insecure_channel(served, UNLIMITED))
        bare = one.unary_unary("/echo.Echo/Echo")
        predict = other.unary_unary("/tensorflow.serving.PredictionService/Predict")
        for label, count in SIZES.items():
            body = encode_request(ModelAddress("identity"), {"x": np.ones(count, np.float32)})
            timed: tuple[list[float], list[float]] = ([], [])
            for number in range(20 + effort.of(200, 60)):
                for side, call in enumerate((predict, bare)):
                    begin_ns = time.perf_counter_ns()
                    call(body)
                    if number >= 20:
                        timed[side].append((time.perf_counter_ns() - begin_ns) / 1e9)
            note = "p50 of an identity model in sdnn-cloudrun / of a bare grpc.aio echo of the same bytes"
            yield ratio_row(f"overhead.cloudrun.{label}", *timed, 1.2, note, at_most=True)
