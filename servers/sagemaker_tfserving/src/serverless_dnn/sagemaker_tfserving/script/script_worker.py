"""The process that runs a user's ``inference.py``: it serves the front's requests on a unix socket.

It is apart from the front so that a script that hangs, crashes, forks or ends the process takes nothing with it. The
script's interface is that of the TensorFlow Serving container that AWS published: ``handler(data, context)``, or
``input_handler(data, context)`` and ``output_handler(response, context)``.
"""

import importlib.util
import io
import json
import logging
import os
import sys
from collections import namedtuple
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waitress import serve

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

_log = logging.getLogger("inference.py")
CONTEXT_HEADER = "X-Sdnn-Context"
_LARGEST_BODY_BYTES = 1 << 40
_MEMORY_BYTES = 64 << 20

Context = namedtuple(  # noqa: PYI024 - scripts may rely on its being this kind of tuple
    "Context",
    "model_name, model_version, method, rest_uri, grpc_port, channel, custom_attributes, request_content_type, "
    "accept_header, content_length",
)
Handler = Callable[[io.BytesIO, Any], Any]


class LazyChannel:
    """A gRPC channel to the model server that is opened when a script first uses it: importing gRPC takes time.

    Args:
        port: The model server's port.
    """

    def __init__(self, port: str) -> None:
        self._port = port
        self._channel: Any = None

    def __getattr__(self, name: str) -> Any:
        """The channel's own attribute."""
        if self._channel is None:
            import grpc

            options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
            self._channel = grpc.insecure_channel(f"localhost:{self._port}", options)
        return getattr(self._channel, name)


def load_handler(script: Path) -> Handler:
    """Import a script and find its handlers.

    Args:
        script: The path of ``inference.py``.

    Returns:
        A function of the request's data and its context that returns the response's body and content type.

    Raises:
        NotImplementedError: The script defines no handler.
    """
    spec = importlib.util.spec_from_file_location("inference", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # So that what the script defines can be pickled and found by name.
    sys.modules["inference"] = module
    spec.loader.exec_module(module)
    if handler := getattr(module, "handler", None):
        found: Handler = handler
        return found
    before, after = getattr(module, "input_handler", None), getattr(module, "output_handler", None)
    if before is None or after is None:
        raise NotImplementedError(
            "inference.py must define handler(data, context), or input_handler(data, context) and "
            "output_handler(response, context)"
        )
    return _around_model(before, after)


def _around_model(before: Handler, after: Callable[[Any, Any], Any]) -> Handler:
    import requests

    session = requests.Session()
    # The model server is on this machine, whatever proxy the environment names.
    session.trust_env = False

    def handler(data: io.BytesIO, context: Any) -> Any:
        return after(session.post(context.rest_uri, data=before(data, context)), context)

    return handler


def make_app(handler: Handler) -> Callable[[dict[str, Any], "StartResponse"], Iterable[bytes]]:
    """Make the WSGI application that calls the handler.

    Args:
        handler: The script's.

    Returns:
        The application.
    """
    process_id = os.getpid()
    channels: dict[str, LazyChannel] = {}

    def app(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "GET":
            start_response("200 OK", [("Content-Length", "0")])
            return []
        fields = json.loads(environ["HTTP_X_SDNN_CONTEXT"])
        channel = channels.setdefault(fields["grpc_port"], LazyChannel(fields["grpc_port"]))
        status, content_type, body = _run(handler, environ["wsgi.input"].read(), Context(channel=channel, **fields))
        if os.getpid() != process_id:
            # A child that the script forked and let return: the answer is its parent's to give.
            os._exit(0)
        start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]

    return app


def _run(handler: Handler, data: bytes, context: Any) -> tuple[str, str, bytes]:
    """Status, content type and body of a response."""
    try:
        answer = handler(io.BytesIO(data), context)
        body, content_type = _checked(answer)
    except SystemExit as end:
        _log.exception("the script ended the process")
        return _error(f"inference.py called sys.exit({end.code!r})")
    except Exception as error:  # noqa: BLE001 - the script's own errors, of any kind
        _log.exception("the script raised an error")
        return _error(str(error) or type(error).__name__)
    return "200 OK", content_type, body


def _checked(answer: Any) -> tuple[bytes, str]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise TypeError(f"inference.py must return (body, content_type), got {type(answer).__name__}")
    body, content_type = answer
    if isinstance(body, str):
        body = body.encode("utf-8", "backslashreplace")
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError(f"inference.py must return a body of str or bytes, got {type(body).__name__}")
    if not isinstance(content_type, str) or not content_type.isascii() or not content_type.isprintable():
        raise TypeError(f"inference.py must return a content type, got {content_type!r}")
    return bytes(body), content_type


def _error(message: str) -> tuple[str, str, bytes]:
    return "500 Internal Server Error", "application/json", json.dumps({"error": message}).encode()


def main() -> None:
    """Import the script and serve it: the arguments are the script, the socket to listen on, and how many threads."""
    script, socket_path, threads = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    try:
        handler = load_handler(Path(script))
    except BaseException as error:
        # Read by the front, whose last line says why the container did not start.
        reason = f"inference.py cannot be loaded: {type(error).__name__}: {error}"
        Path(f"{socket_path}.reason").write_text(reason, encoding="utf-8")
        raise
    serve(
        make_app(handler),
        unix_socket=socket_path,
        unix_socket_perms="600",
        threads=int(threads),
        max_request_body_size=_LARGEST_BODY_BYTES,
        inbuf_overflow=_MEMORY_BYTES,
        outbuf_overflow=_MEMORY_BYTES,
        channel_timeout=1 << 30,
        ident=None,
        _quiet=True,
    )


if __name__ == "__main__":
    main()
