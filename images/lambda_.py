"""Build both variants of the Lambda function's image, measure their size, start them and smoke-test them."""

import json
import queue
import select
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import click
from container_tools import ImageError
from server_images import ROOT, Answer, Choices, Inputs, Server, build_and_start, image_options

from serverless_dnn.client import ModelAddress
from serverless_dnn.client.wire.bodies import decode_body, encode_body
from serverless_dnn.client.wire.server_timing import parse_server_timing

_TIMEOUT_S = 120.0
_LOOK_S = 0.01


class _RuntimeApi(ThreadingHTTPServer):
    """What Lambda's runtime client polls: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self.serve_forever, name="runtime-api", daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """Nothing: a function that is killed closes its connection in the middle."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _RuntimeApi

    def do_GET(self) -> None:
        """Hand over the next event, once there is one."""
        event = self._next_event()
        if event is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": "1",
            "Lambda-Runtime-Deadline-Ms": str(int(1000 * (time.time() + _TIMEOUT_S))),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:local:000000000000:function:local",
            "Content-Type": "application/json",
        }
        self._answer(200, headers, event)

    def _next_event(self) -> bytes | None:
        """The next event; ``None`` if the function was killed while it waited for one."""
        while True:
            try:
                return self.server.events.get(timeout=_LOOK_S)
            except queue.Empty:
                readable, _, _ = select.select([self.connection], [], [], 0)
                if readable:
                    return None

    def do_POST(self) -> None:
        """Take a result, or an error."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.results.put((self.path, body))
        self._answer(202, {}, b'{"status":"OK"}')

    def log_message(self, *_: object) -> None:
        """Nothing: the image's own log says enough."""

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _server() -> Server:
    api = _RuntimeApi()

    def predict(_port: int, model: str, inputs: Inputs) -> Answer:
        body = json.loads(encode_body("json", ModelAddress(model), inputs))
        api.events.put(json.dumps({"path": f"/v1/models/{model}:predict", "body": body}).encode())
        try:
            path, result = api.results.get(timeout=_TIMEOUT_S)
        except queue.Empty:
            raise ImageError(f"the function did not answer within {_TIMEOUT_S:.0f} s") from None
        document = json.loads(result)
        if not path.endswith("/response") or document["statusCode"] != 200:
            raise ImageError(f"the function failed: {result.decode(errors='replace')[:1000]}")
        outputs, _ = decode_body("application/json", document["body"].encode())
        return Answer(outputs, parse_server_timing(document["headers"]["server-timing"]))

    return Server(
        script="images:lambda",
        dockerfile=ROOT / "servers" / "lambda_rest" / "Dockerfile",
        port_variable="PORT",
        arguments=(),
        stop_timeout_s=0,
        predict=predict,
        environment={"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}"},
    )


@click.command(
    epilog="""\b
Examples:
  hatch run sdnn-models export mobilenet_v1 exported && hatch run images:lambda
  hatch run images:lambda --flavour openvino --tag ACCOUNT.dkr.ecr.REGION.amazonaws.com/serverless-dnn
  hatch run images:lambda --serving docker.io/tensorflow/serving:2.20.0
  hatch run images:lambda --base debootstrap   # without a registry: base image from Debian packages""",
    context_settings={"max_content_width": 120},
)
@image_options(tag="sdnn-lambda")
@click.option("--serving", help="An image whose tensorflow_model_server is taken over, for SDNN_MODEL_SERVER=child.")
def main(*, serving: str | None, **given: Any) -> None:
    """Build the image with docker, or with buildah if no Docker engine is running; start it and smoke-test it."""
    build_and_start(_server(), Choices(**given, arguments={"SERVING": serving} if serving else {}))


if __name__ == "__main__":
    main()
