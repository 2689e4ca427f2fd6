"""Calls that OpenVINO is not proven for are answered by TensorFlow, which is loaded without keeping the others waiting."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serverless_dnn.client import connect


def test_probes_are_answered_while_tensorflow_is_loaded_for_a_call(
    models: Path, start_server: Callable[..., tuple[str, Any]]
) -> None:
    target, _ = start_server(
        "sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"), SDNN_MODEL_NAME="half_plus_two"
    )
    answers: list[list[float]] = []
    with connect(f"grpc://{target}", "half_plus_two") as client, grpc.insecure_channel(target) as channel:
        client.predict({"x": np.float32([1, 2])})
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
