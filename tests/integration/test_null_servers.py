"""Null servers: the bytes that were asked for, from behind each platform's own front door."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import urllib3
from platform_calls import boto, invoke, payload

from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.targets.base import DeployOptions

BINARY = bytes(range(256)) * 4
REPLIES = [
    (BINARY, "application/x-protobuf"),
    (b'{"predictions": [1.0]}', "application/json"),
    ("größer".encode(), "text/plain; charset=utf-8"),
    (b"", "application/octet-stream"),
    # Says that it is text, and is not.
    (BINARY, "application/json"),
]


@contextmanager
def _null(platform: str, folder: Path, reply: bytes, content_type: str, **scale: Any) -> Iterator[Any]:
    (folder / "reply").write_bytes(reply)
    options = DeployOptions(
        "no-model",
        folder / "nope",
        folder / "logs",
        null_reply=folder / "reply",
        null_content_type=content_type,
        **scale,
    )
    deployment = PLATFORMS[platform].deploy(options)
    try:
        yield deployment
    finally:
        deployment.stop()


@pytest.mark.parametrize(("reply", "content_type"), REPLIES)
@pytest.mark.parametrize("platform", ["lambda", "sagemaker"])
def test_over_http_the_bytes_and_their_type_are_those_asked_for(
    platform: str, reply: bytes, content_type: str, tmp_path: Path
) -> None:
    with _null(platform, tmp_path, reply, content_type) as deployment:
        url = deployment.url
        if platform == "sagemaker":
            url = f"{url.removeprefix('sagemaker+').rpartition('/')[0]}/endpoints/sdnn/invocations"
        for body in (b"", b"x", bytes(4_000_000)):
            answer = urllib3.request("POST", url, body=body, headers={"Content-Type": "application/x-npy"})
            assert (answer.status, answer.data, answer.headers["Content-Type"]) == (200, reply, content_type)
        assert [each.status for each in deployment.records().invocations] == ["success"] * 3


def test_amazons_sdk_gets_them_too(tmp_path: Path) -> None:
    with _null("lambda", tmp_path, BINARY, "application/x-npy") as deployment:
        told = payload(invoke(deployment))
        assert (told["statusCode"], base64.b64decode(told["body"])) == (200, BINARY)
    with _null("sagemaker", tmp_path, BINARY, "application/x-npy") as deployment:
        answer = boto("sagemaker-runtime", deployment.url).invoke_endpoint(EndpointName="sdnn", Body=b"x")
        assert (answer["Body"].read(), answer["ContentType"]) == (BINARY, "application/x-npy")


def test_over_grpc_every_unary_method_answers_with_the_bytes(tmp_path: Path) -> None:
    with (
        _null("cloudrun", tmp_path, BINARY, "") as deployment,
        grpc.insecure_channel(
            deployment.url.removeprefix("grpc://"), [("grpc.max_send_message_length", -1)]
        ) as channel,
    ):
        for method in ("/tensorflow.serving.PredictionService/Predict", "/any.Service/Method"):
            assert channel.unary_unary(method)(bytes(10_000_000), timeout=60) == BINARY


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_null_server_is_told_apart_and_leaves_nothing(platform: str, tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    with _null(platform, tmp_path, b"x", "text/plain", memory_mb=512, cpus=1) as deployment:
        assert set(psutil.Process().children()) > before
        assert deployment.facts.model_server.endswith("null server")
        assert deployment.facts.limits["memory_mb"].startswith("512, ")

    assert set(psutil.Process().children()) <= before
