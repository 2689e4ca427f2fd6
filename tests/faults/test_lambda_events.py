"""Whatever event arrives, the handler answers it; nothing ends as an exception."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_FUZZ = '''
import json, random, sys, time

from serverless_dnn.lambda_rest.handler import handler

chosen = random.Random(int(sys.argv[1]))
LEAVES = [None, True, False, 0, -1, 1.5, 2**64, -2**70, float("nan"), float("inf"), "", "x", "\\ud800", "\\u00e9", "AAE=",
          "/v1/models/half_plus_two:predict", "/prod/v1/models/half_plus_two", "POST", "GET", "application/json",
          "application/x-npy", "application/x-protobuf", "gzip", '{"instances": [1.0]}', '{"instances": [NaN]}', "1e400",
          {"b64": "AA=="}, {"b64": "?"}, [], {}]
KEYS = ["requestContext", "http", "elb", "method", "httpMethod", "path", "rawPath", "rawQueryString", "headers", "body",
        "isBase64Encoded", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "stage",
        "instances", "inputs", "examples", "signature_name", "inputs_url", "outputs_url", "source", "warmer", "version",
        "content-type", "Accept", "content-encoding", "x", "\\ud800"]


def value(depth):
    kind = chosen.random()
    if depth == 0 or kind < 0.4:
        return chosen.choice(LEAVES)
    if kind < 0.7:
        return {chosen.choice(KEYS): value(depth - 1) for _ in range(chosen.randrange(6))}
    return [value(depth - 1) for _ in range(chosen.randrange(5))]


def likely():
    """An event of some kind with something wrong about it."""
    http = {"method": "POST", "path": "/v1/models/half_plus_two:predict"}
    event = chosen.choice([
        {"version": "2.0", "rawPath": http["path"], "requestContext": {"http": http, "stage": "prod"}, "headers": {}},
        {"httpMethod": "POST", "path": http["path"], "requestContext": {}, "headers": {}},
        {"httpMethod": "POST", "path": http["path"], "requestContext": {"elb": {}}, "multiValueHeaders": {}},
        {"path": http["path"], "body": {"instances": [1.0]}},
        {"instances": [1.0, 2.0]},
    ])
    event = {**event, "body": chosen.choice(['{"instances": [1.0]}', "[", "", None, "\\ud800", 7, {"instances": [1]}])}
    for _ in range(chosen.randrange(3)):
        event[chosen.choice(KEYS)] = value(3)
    return event


class Context:
    aws_request_id = "1"

    def get_remaining_time_in_millis(self):
        return 60_000


answered, ok = 0, 0
for number in range(int(sys.argv[2])):
    event = likely() if number % 2 else value(4)
    as_text = number % 3 == 0
    try:
        sent = json.dumps(event).encode() if as_text else event
        result = handler(sent, Context() if number % 5 == 0 else None)
        document = json.loads(result) if as_text else json.loads(json.dumps(result))
    except BaseException as error:
        print("RAISED", repr(error), repr(event), flush=True)
        sys.exit(1)
    assert isinstance(document, dict), document
    status = document.get("statusCode")
    if status is not None:
        assert 200 <= status < 600, document
        assert status != 500, (event, document)
        if isinstance(event.get("requestContext"), dict) and "elb" in event["requestContext"]:
            assert document["statusDescription"].startswith(str(status)), document
    answered += 1
    ok += status == 200 or "predictions" in document
print("ANSWERED", answered, ok)
'''


def _fuzz(models: Path, seed: int, events: int) -> tuple[int, int]:
    variables = {
        "SDNN_MODEL_BASE_PATH": str(models / "half_plus_two"),
        "SDNN_ENGINE": "openvino",
        "SDNN_METRICS": "false",
        "SDNN_TRANSFER_HOSTS": "none",
    }
    done = subprocess.run(
        [sys.executable, "-c", _FUZZ, str(seed), str(events)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWERED")]
    answered, ok = map(int, line.split()[1:])
    return answered, ok


def test_random_events_are_answered(models: Path) -> None:
    answered, ok = _fuzz(models, seed=1, events=20_000)

    assert answered == 20_000
    # Some of them ask for something that can be had.
    assert ok > 1000


@pytest.mark.parametrize("value", ["/nowhere", "text"])
def test_a_start_that_fails_says_why_in_a_line(value: str, models: Path) -> None:
    variables = {"SDNN_MODEL_BASE_PATH": value} if value.startswith("/") else {"SDNN_MAX_BODY_MIB": value}
    code = "import awslambdaric.bootstrap, serverless_dnn.lambda_rest.handler"

    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("sdnn-lambda: ")]
    assert "/nowhere" in line or "SDNN_MAX_BODY_MIB" in line
    assert json.dumps(line)
