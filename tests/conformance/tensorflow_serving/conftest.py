"""A server with every model of the tests, asked over gRPC and REST."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import urllib3
from tensorflow_serving.apis import prediction_service_pb2_grpc

_HTTP = urllib3.PoolManager(retries=False)
_CONFIG = """
model_config_list {{
  config {{ name: "half_plus_two" base_path: "{root}/half_plus_two" model_platform: "tensorflow"
    model_version_policy {{ all {{}} }}
    version_labels {{ key: "stable" value: 1 }} version_labels {{ key: "canary" value: 12 }} }}
  config {{ name: "types" base_path: "{root}/types" model_platform: "tensorflow" }}
  config {{ name: "pair" base_path: "{root}/pair" }}
  config {{ name: "lookup" base_path: "{root}/lookup" }}
  config {{ name: "examples" base_path: "{root}/examples" }}
  config {{ name: "scaled" base_path: "{root}/scaled" }}
}}
"""


@dataclass(frozen=True)
class Served:
    """Where a model server listens."""

    grpc: str
    socket: str
    rest: str


@pytest.fixture(scope="module")
def served(models: Path, start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("config")
    (folder / "models.config").write_text(_CONFIG.format(root=models))
    (folder / "monitoring.config").write_text("prometheus_config { enable: true }")
    target, process = start_server(
        "sdnn-model-server",
        "--port=0",
        "--rest_api_port=-1",
        "--host=127.0.0.1",
        f"--grpc_socket_path={folder}/grpc.sock",
        f"--model_config_file={folder}/models.config",
        f"--monitoring_config_file={folder}/monitoring.config",
        "--rest_api_enable_cors_support",
        "--file_system_poll_wait_seconds=0",
    )
    rest_port = json.loads(process.ready_file.read_text())["rest_api_port"]
    return Served(target, f"unix:{folder}/grpc.sock", f"http://127.0.0.1:{rest_port}")


@pytest.fixture(scope="module")
def stub(served: Served) -> Iterator[prediction_service_pb2_grpc.PredictionServiceStub]:
    with grpc.insecure_channel(served.grpc) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def http() -> urllib3.PoolManager:
    """Sends requests as they are, once."""
    return _HTTP


@pytest.fixture(scope="module")
def rest(served: Served) -> Callable[..., tuple[int, Any]]:
    """Ask the REST API; gives the status and the JSON of the answer."""

    def ask(verb: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        reply = _HTTP.request(verb, served.rest + path, body=content, headers=headers)
        assert reply.headers["content-type"] == "application/json"
        return reply.status, json.loads(reply.data)

    return ask
