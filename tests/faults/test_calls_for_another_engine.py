"""Calls that OpenVINO is not proven for are answered by TensorFlow, which is loaded without keeping the others waiting."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serverless_dnn.client import connect


def test_a_short_call_that_needs_tensorflow_leaves_the_event_loop(
    models: Path, start_server: Callable[..., tuple[str, Any]]
) -> None:
    """After many short calls the loop answers them itself; what then takes seconds must not be answered there."""
    target, _ = start_server(
        "sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"), SDNN_MODEL_NAME="half_plus_two"
    )
    answers: list[list[float]] = []
    with connect(f"grpc://{target}", "half_plus_two") as client, grpc.insecure_channel(target) as channel:
        for _ in range(40):
            client.predict({"x": np.float32([1, 2])})
            # A lone caller, as far as the server can tell.
            time.sleep(0.001)
        asking = threading.Thread(
            target=lambda: answers.append(client.predict({"x": np.float32([1, np.nan])}).outputs["y"].tolist())
        )
        asking.start()
        probes = 0
        while asking.is_alive():
            status = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30).status
            assert status == health_pb2.HealthCheckResponse.SERVING
            probes += 1
        asking.join()

    # TensorFlow's import alone takes as long as hundreds of probes.
    assert probes > 10
    assert answers[0][0] == 2.5
    assert np.isnan(answers[0][1])
