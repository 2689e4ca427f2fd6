"""What the Lambda handler itself costs: from an event's text to the result's, less the time in the engine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from engine_process import CACHE
from rows import Effort, Row, quartiles

from serverless_dnn.models.registry import MODELS, get_model

_MAX_EVENT_BYTES = 6 << 20
_MEASURE = """
import base64, json, re, sys, time
import numpy as np
from serverless_dnn.client.wire.bodies import encode_body
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.lambda_rest.handler import handler
from serverless_dnn.models.workload import make_request

model, body_format, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
content_type = "application/json" if body_format == "json" else f"application/x-{body_format}"
body = encode_body(body_format, ModelAddress(model), make_request(model))
is_text = body_format == "json"
event = {
    "version": "2.0", "rawPath": f"/v1/models/{model}:predict", "rawQueryString": "",
    "headers": {"content-type": content_type}, "requestContext": {"http": {"method": "POST"}},
    "body": body.decode() if is_text else base64.b64encode(body).decode(), "isBase64Encoded": not is_text,
}
text = json.dumps(event).encode()
taken = []
for number in range(rounds + 3):
    begin_ns = time.perf_counter_ns()
    result = handler(text, None)
    total_ms = (time.perf_counter_ns() - begin_ns) / 1e6
    answer = json.loads(result)
    if answer["statusCode"] == 413:
        break
    assert answer["statusCode"] == 200, answer["body"][:300]
    (compute,) = re.findall(r"compute;dur=([0-9.]+)", answer["headers"]["server-timing"])
    if number >= 3:
        taken.append(total_ms - float(compute))
print("MEASURED", json.dumps([len(text), taken]))
"""


def handler_rows(models: Path, effort: Effort) -> Iterator[Row]:
    """``handler.lambda.<model>.<body>``: milliseconds of one invocation outside of the engine.

    Args:
        models: A folder of the exported models.
        effort: How long to measure.
    """
    for model in MODELS:
        is_text_model = get_model(model).task == "text-classification"
        for body_format in ("json", "protobuf") if is_text_model else ("json", "npy"):
            size_bytes, taken = _measure(model, body_format, models, effort.of(40, 10))
            # Neither such an event nor such a result passes through Lambda.
            if size_bytes > _MAX_EVENT_BYTES or not taken:
                continue
            value = sorted(taken)[len(taken) // 2]
            note = f"told, without a bar: an event of {size_bytes / 1e6:.2f} MB to its result, less the engine"
            name = f"handler.lambda.{model}.{body_format}"
            yield Row(name, value, 0.0, "n/a", "ms", quartiles(taken), len(taken), note)


def _measure(model: str, body_format: str, models: Path, rounds: int) -> tuple[int, list[float]]:
    variables = {
        "SDNN_MODEL_BASE_PATH": str(models / model),
        "SDNN_ENGINE": "openvino",
        "SDNN_CACHE_FOLDER": str(CACHE),
        "SDNN_METRICS": "false",
    }
    command = [sys.executable, "-c", _MEASURE, model, body_format, str(rounds)]
    done = subprocess.run(command, env={**os.environ, **variables}, check=True, capture_output=True, text=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("MEASURED ")]
    size_bytes, taken = json.loads(line.removeprefix("MEASURED "))
    return int(size_bytes), list(taken)
