"""``sdnn-lambda dev``: the handler behind HTTP on this machine, as a function URL would call it."""

import base64
import importlib
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import click

from serverless_dnn.lambda_rest.options import LambdaOptions, default_model_folder
from serverless_dnn.runtime.codecs.content_types import is_text
from serverless_dnn.runtime.commands.command_line import environment_of, exit_on_serving_error, settings_options
from serverless_dnn.runtime.listening import check_listening
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings, TransferOptions

_HANDLER_MODULE = "serverless_dnn.lambda_rest.handler"
_SETTINGS = (ServerSettings, EngineOptions, TransferOptions, LambdaOptions)


@click.command(
    epilog="Example: sdnn-lambda dev --model-base-path models/mobilenet_v1 --port 9000",
    context_settings={"max_content_width": 120},
)
@click.option("--port", default=9000, show_default=True, type=click.IntRange(1, 65_535), help="The port to listen on.")
@click.option("--reload/--no-reload", default=True, show_default=True, help="Start again when code or models change.")
@settings_options(*_SETTINGS)
def dev(port: int, *, reload: bool, **given: Any) -> None:
    """Serve the handler over HTTP, by translating each request into a function URL's event."""
    try:
        import flask
    except ImportError:
        raise click.ClickException("this needs Flask: pip install 'serverless-dnn-lambda[dev]'") from None
    os.environ.update(environment_of(given, *_SETTINGS))
    host = given["host"] or "127.0.0.1"
    with exit_on_serving_error("sdnn-lambda"):
        folder = ServerSettings.from_environment(default_base_path=default_model_folder()).model_base_path
        # The reloader starts this command again as its child, which serves; the parent loads no model.
        if not reload or os.environ.get("WERKZEUG_RUN_MAIN"):
            importlib.import_module(_HANDLER_MODULE)
        else:
            check_listening(host, port)
    watched = [str(path) for path in (folder or Path()).rglob("saved_model.pb")] if reload else None
    make_app(flask).run(host, port, threaded=False, use_reloader=reload, extra_files=watched)


def make_app(flask: Any) -> Any:
    """Make the application.

    Args:
        flask: The module.

    Returns:
        A Flask application that passes every request to the handler, as a function URL does.
    """
    app = flask.Flask(__name__)

    def invoke(path: str = "") -> Any:
        # Imported when models have been loaded, by the process that serves.
        result = sys.modules[_HANDLER_MODULE].handler(_event(flask.request, f"/{path}"), None)
        body = base64.b64decode(result["body"]) if result["isBase64Encoded"] else result["body"].encode()
        return flask.Response(body, result["statusCode"], result["headers"])

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    app.add_url_rule("/", view_func=invoke, methods=methods)
    app.add_url_rule("/<path:path>", view_func=invoke, methods=methods)
    return app


def _event(request: Any, path: str) -> dict[str, Any]:
    """A request as an event of payload format 2.0, which function URLs send."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = request.get_data()
    text = is_text(headers.get("content-type", "")) and "content-encoding" not in headers
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query_string.decode("latin-1"),
        "headers": headers,
        "requestContext": {
            "http": {"method": request.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": request.remote_addr},
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "timeEpoch": int(time.time() * 1000),
        },
        "isBase64Encoded": not text,
    }
    if body:
        event["body"] = body.decode("utf-8", "replace") if text else base64.b64encode(body).decode("ascii")
    return event
