"""Our SageMaker front against the way through the container that AWS published: JSON, sent on to a REST port."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import urllib3
from rows import Effort, Row, interleave, ratio_row

from serverless_dnn.bench.targets.processes import ServerProcess, start_server
from serverless_dnn.models.workload import make_request

_MODEL = "inception_v3"
# Takes that model's image and returns as many numbers, but computes next to nothing: what is left is the front.
_MAKE_HEAD = """
import sys
import tensorflow as tf

class Head(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 299, 299, 3], tf.float32, "image")])
    def serve(self, image):
        return {"scores": image[:, 0, :250, 0]}

module = Head()
tf.saved_model.save(module, sys.argv[1], {"serving_default": module.serve})
"""
# That container's Python service in our words: the body as text, posted to TensorFlow Serving's REST port by a new
# connection each time, and its answer returned. waitress stands in for gunicorn and nginx, which cost more.
_UPSTREAM = """
import json, os, sys
import requests
from waitress.server import create_server

URL = sys.argv[1]

def app(environ, start_response):
    data = environ["wsgi.input"].read().decode("utf-8")
    answer = requests.post(URL, data=data.encode())
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer.content)))])
    return [answer.content]

sizes = {"recv_bytes": 1 << 18, "send_bytes": 1 << 18, "inbuf_overflow": 64 << 20, "outbuf_overflow": 64 << 20}
server = create_server(app, host="127.0.0.1", port=0, **sizes)
path = os.environ["SDNN_READY_FILE"]
with open(path + ".partial", "w") as file:
    json.dump({"port": server.effective_port}, file)
os.rename(path + ".partial", path)
server.run()
"""


def front_rows(effort: Effort) -> Iterator[Row]:
    """``front.sagemaker.<json|npy>``: latency of the published container's way, of that of ours, without a model.

    Args:
        effort: How long to measure.
    """
    (image,) = make_request(_MODEL).values()
    # What SageMaker's SDK sends for an array; that container takes nothing denser.
    text = json.dumps({"instances": image.tolist()}).encode()
    binary = BytesIO()
    np.save(binary, image)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        model = Path(folder) / "head"
        subprocess.run([sys.executable, "-c", _MAKE_HEAD, str(model / "1")], check=True, capture_output=True)
        ours, theirs = _start_ours(running, model, Path(folder)), _start_upstream(running, model, Path(folder))
        pool = urllib3.PoolManager(maxsize=2)

        def post(url: str, content_type: str, body: bytes) -> bytes:
            reply = pool.request("POST", url, body=body, headers={"Content-Type": content_type})
            if reply.status != 200:
                raise RuntimeError(f"{url} answered {reply.status}: {reply.data[:200]!r}")
            return reply.data

        sides = {
            "upstream": partial(post, theirs, "application/json", text),
            "json": partial(post, ours, "application/json", text),
            "npy": partial(post, ours, "application/x-npy", binary.getvalue()),
        }
        _check(sides["upstream"](), sides["json"]())
        timed = interleave(sides, effort.of(60, 10))
    sent = f"a JSON body of {len(text) / 1e6:.1f} MB through a front to a REST port / through ours"
    yield ratio_row("front.sagemaker.json", timed["upstream"], timed["json"], 3, f"{sent}, the same body")
    yield ratio_row("front.sagemaker.npy", timed["upstream"], timed["npy"], 10, f"{sent}, as npy")


def _check(theirs: bytes, ours: bytes) -> None:
    if json.loads(theirs) != json.loads(ours):
        raise RuntimeError(f"the two fronts answer differently: {theirs[:100]!r} and {ours[:100]!r}")


def _start(running: ExitStack, command: list[str], folder: Path, variables: dict[str, str]) -> ServerProcess:
    shared = {"SDNN_HOST": "127.0.0.1", "SDNN_ENGINE": "openvino"}
    server = start_server(command, shared | variables, folder / f"{len(list(folder.iterdir()))}.log")
    running.callback(server.stop, 0)
    server.wait_ready(120)
    return server


def _start_ours(running: ExitStack, model: Path, folder: Path) -> str:
    variables = {"SAGEMAKER_BIND_TO_PORT": "0", "SDNN_MODEL_BASE_PATH": str(model)}
    server = _start(running, ["sdnn-sagemaker", "serve"], folder, variables)
    return f"http://127.0.0.1:{server.ready_port()}/invocations"


def _start_upstream(running: ExitStack, model: Path, folder: Path) -> str:
    flags = ["--port=0", "--rest_api_port=-1", "--model_name=head", f"--model_base_path={model}"]
    behind = _start(running, ["sdnn-model-server", *flags], folder, {})
    rest_port = json.loads(behind.ready_file.read_text(encoding="utf-8"))["rest_api_port"]
    url = f"http://127.0.0.1:{rest_port}/v1/models/head:predict"
    front = _start(running, [sys.executable, "-c", _UPSTREAM, url], folder, {})
    return f"http://127.0.0.1:{front.ready_port()}/"
