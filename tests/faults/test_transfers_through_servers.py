"""Tensors too large for a platform go through storage: the servers read and write pre-signed URLs."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import urllib3
from https_storage import SECRET, Storage, StorageHandler, serving

from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.client import ClientError, ClientOptions, RequestError, S3Storage, connect

ROWS = 1_000_000
_CALL_HANDLER = """
import json, sys
from serverless_dnn.lambda_rest.handler import handler

print("ANSWER", json.dumps(handler(json.loads(sys.argv[1]), None)))
"""


@pytest.fixture
def objects(certificate: Path) -> Iterator[tuple[Storage, dict[str, bytes]]]:
    """Storage that keeps what is put, by its path."""
    kept: dict[str, bytes] = {}
    types: dict[str, str] = {}

    def answer(handler: StorageHandler) -> None:
        path = handler.path.partition("?")[0]
        if handler.command == "PUT":
            kept[path] = handler.rfile.read(int(handler.headers["Content-Length"]))
            types[path] = handler.headers.get("Content-Type", "binary/octet-stream")
            handler.reply(200)
        elif handler.command == "DELETE":
            del kept[path]
            handler.reply(204)
        elif path in kept:
            handler.reply(200, kept[path], Content_Type=types.get(path, "binary/octet-stream"))
        else:
            handler.reply(404, b"<Error><Code>NoSuchKey</Code></Error>")

    with serving(certificate) as storage:
        storage.answer = answer
        yield storage, kept


@pytest.fixture
def variables(models: Path, certificate: Path, objects: tuple[Storage, dict[str, bytes]]) -> dict[str, str]:
    """The environment of a server that may call that storage."""
    return {
        "SDNN_MODEL_BASE_PATH": str(models / "half_plus_two"),
        "SDNN_ENGINE": "openvino",
        "SDNN_TRANSFER_HOSTS": f"localhost:{objects[0].server_port}",
        "SDNN_TRANSFER_NETWORKS": "127.0.0.0/8",
        "SSL_CERT_FILE": str(certificate),
    }


def _put(kept: dict[str, bytes]) -> None:
    body = io.BytesIO()
    np.save(body, np.arange(ROWS, dtype=np.float32))
    kept["/inputs"] = body.getvalue()


def _assert_written(kept: dict[str, bytes], told: Any) -> None:
    array = np.load(io.BytesIO(kept["/outputs"]))
    assert array.shape == (ROWS,)
    assert array[:3].tolist() == [2.0, 2.5, 3.0]
    assert told == {"uploaded": {"content_type": "application/x-npy", "bytes": len(kept["/outputs"])}}


def test_the_sagemaker_container(
    objects: tuple[Storage, dict[str, bytes]], variables: dict[str, str], start_server: Callable[..., Any]
) -> None:
    storage, kept = objects
    _put(kept)
    address, process = start_server("sdnn-sagemaker", "serve", **variables)

    def ask(document: dict[str, str]) -> urllib3.BaseHTTPResponse:
        body = json.dumps(document).encode()
        return urllib3.request(
            "POST", f"http://{address}/invocations", body=body, headers={"Content-Type": "application/json"}
        )

    both = ask({"inputs_url": storage.url("/inputs"), "outputs_url": storage.url("/outputs")})
    missing = ask({"inputs_url": storage.url("/nothing")})
    elsewhere = ask({"inputs_url": "https://169.254.169.254/latest/meta-data"})

    _assert_written(kept, json.loads(both.data))
    timing = both.headers["X-Amzn-SageMaker-Custom-Attributes"]
    assert {"download", "compute", "upload"} <= {part.split(";")[0].strip() for part in timing.split(",")}
    assert (missing.status, elsewhere.status) == (400, 400)
    assert "NoSuchKey" in json.loads(missing.data)["error"]
    for text in (missing.data.decode(), elsewhere.data.decode(), process.log_path.read_text()):
        assert SECRET not in text


def test_the_lambda_handler(objects: tuple[Storage, dict[str, bytes]], variables: dict[str, str]) -> None:
    storage, kept = objects
    _put(kept)
    event = {"inputs_url": storage.url("/inputs"), "outputs_url": storage.url("/outputs")}

    done = subprocess.run(
        [sys.executable, "-c", _CALL_HANDLER, json.dumps(event)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    (answer,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    _assert_written(kept, json.loads(answer.removeprefix("ANSWER ")))
    assert SECRET not in done.stdout + done.stderr


def test_hosts_that_no_option_allows_are_refused(models: Path, start_server: Callable[..., Any]) -> None:
    address, _ = start_server("sdnn-sagemaker", "serve", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"))

    for url in (
        "https://example.com/x",
        "http://bucket.s3.amazonaws.com/x",
        "https://127.0.0.1/x",
        "file:///etc/passwd",
    ):
        body = json.dumps({"inputs_url": url}).encode()
        reply = urllib3.request(
            "POST", f"http://{address}/invocations", body=body, headers={"Content-Type": "application/json"}
        )
        assert reply.status in (400, 403)
        assert "root:" not in reply.data.decode()


@pytest.mark.parametrize("platform", ["sagemaker", "lambda"])
def test_our_client_goes_that_way_by_itself(
    platform: str,
    objects: tuple[Storage, dict[str, bytes]],
    variables: dict[str, str],
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage, kept = objects
    for name, value in {**variables, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    folder = Path(variables["SDNN_MODEL_BASE_PATH"])
    deployment = PLATFORMS[platform].deploy(DeployOptions("half_plus_two", folder, tmp_path / "logs", "openvino"))
    endpoint_url = f"https://localhost:{storage.server_port}"
    bucket = S3Storage("bucket", endpoint_url=endpoint_url, access_key=("x", SECRET), ca_file=str(certificate))
    try:
        url = deployment.url if platform == "sagemaker" else f"lambda+{deployment.url}/sdnn"
        rows = 3_000_000
        with connect(url, "half_plus_two", ClientOptions(storage=bucket)) as client:
            large = client.predict({"x": np.arange(rows, dtype=np.float32)})
            small = client.predict({"x": [1.0]})
        with (
            connect(url, "half_plus_two") as without,
            pytest.raises(RequestError, match=r"the request takes \d+ bytes, more than the \d+ that \w+ takes"),
        ):
            without.predict({"x": np.zeros(rows, np.float32)})
        for ca_file in (None, str(tmp_path / "nothing.pem")):
            distrusted = ClientOptions(storage=replace(bucket, ca_file=ca_file))
            with (
                connect(url, "half_plus_two", distrusted) as client,
                pytest.raises(ClientError, match="bucket") as told,
            ):
                client.predict({"x": np.zeros(rows, np.float32)})
            assert SECRET not in f"{told.value} {distrusted}"
    finally:
        deployment.stop()

    assert large.outputs["y"].shape == (rows,)
    assert large.outputs["y"][:3].tolist() == [2.0, 2.5, 3.0]
    assert small.outputs["y"].tolist() == [2.5]
    assert not kept
    commands = [command for command, _, _ in storage.seen]
    assert sorted(commands) == ["DELETE", "DELETE", "GET", "GET", "PUT", "PUT"]
