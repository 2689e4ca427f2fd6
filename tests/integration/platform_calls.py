"""Calls to local platforms by Amazon's SDK and over HTTP, and what tests wait for."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import grpc
import urllib3
from botocore.config import Config

WAITING_FUNCTION = """
    import os, time

    def handler(event, context):
        if "started" in event:
            open(event["started"], "w").close()
            while not os.path.exists(event["go_on"]):
                time.sleep(0.01)
        return os.getpid()
"""
"""A function that makes the file ``started``, and returns its process's id once the file ``go_on`` exists."""


def boto(service: str, url: str) -> Any:
    """Amazon's client, which tries once."""
    return boto3.client(
        service,
        endpoint_url="http://" + url.partition("://")[2].partition("/")[0],
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=64),
    )


def invoke(deployment: Any, event: object = None, **parameters: Any) -> dict[str, Any]:
    """Invoke a function with Amazon's SDK."""
    answer: dict[str, Any] = boto("lambda", deployment.url).invoke(
        FunctionName="sdnn", Payload=json.dumps(event or {}), **parameters
    )
    return answer


def payload(answer: dict[str, Any]) -> Any:
    """What a function returned."""
    return json.load(answer["Payload"])


def call(deployment: Any, path: str = "/", **request: Any) -> Any:
    """Call a function URL."""
    return urllib3.request("POST", deployment.url + path, retries=False, **request)


def wait_until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until something is so."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def wait_event(folder: Path, number: int) -> dict[str, str]:
    """An event for ``WAITING_FUNCTION``, or the inputs of the model ``gate``: they run until ``go_on`` exists."""
    return {"started": str(folder / f"started-{number}"), "go_on": str(folder / "go_on")}


def started(folder: Path) -> int:
    """How many of these have begun."""
    return len(list(folder.glob("started-*")))


@dataclass(frozen=True)
class Answer:
    """What a caller of a scripted server gets: what it answered, or the error's code and message."""

    text: str
    code: str | None = None

    @property
    def pid(self) -> int:
        assert self.code is None, self
        return int(self.text.split()[0])


def ask(deployment: Any, request: str, timeout_s: float = 60.0) -> Answer:
    """Send a request to a scripted server, in the way of its platform."""
    kind = deployment.facts.platform
    base = "http://" + deployment.url.partition("://")[2].partition("/")[0]
    if kind == "lambda":
        reply = urllib3.request(
            "POST", f"{base}/2015-03-31/functions/sdnn/invocations", json={"request": request}, timeout=timeout_s
        )
        document = reply.json()
        if reply.status != 200:
            return Answer(document["message"], reply.headers["x-amzn-ErrorType"])
        failed = "X-Amz-Function-Error" in reply.headers
        return Answer(document["errorMessage"], document["errorType"]) if failed else Answer(document)
    if kind == "sagemaker":
        reply = urllib3.request("POST", f"{base}/endpoints/sdnn/invocations", body=request.encode(), timeout=timeout_s)
        if reply.status == 200:
            return Answer(reply.data.decode())
        document = reply.json()
        return Answer(document.get("OriginalMessage") or document["message"], reply.headers["x-amzn-ErrorType"])
    with grpc.insecure_channel(deployment.url.removeprefix("grpc://")) as channel:
        try:
            return Answer(channel.unary_unary("/test.Scripted/Unary")(request.encode(), timeout=timeout_s).decode())
        except grpc.RpcError as error:
            return Answer(error.details(), error.code().name)
