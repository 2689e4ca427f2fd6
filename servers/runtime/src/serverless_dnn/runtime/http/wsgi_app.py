"""WSGI applications, for any WSGI server: TensorFlow Serving's REST API, or any function from requests to replies."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from serverless_dnn.runtime.codecs.content_types import JSON_TYPE
from serverless_dnn.runtime.http.messages import HttpReply, HttpRequest, status_phrase
from serverless_dnn.runtime.http.rest_api import RestApi, error_body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

# Absolute-form targets, as sent to proxies: a server routes them by their path (RFC 9112, 3.2.2).
_AUTHORITY = re.compile(r"^https?://[^/?#]*", re.IGNORECASE)
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


def make_app(handle: Callable[[HttpRequest], HttpReply]) -> "WSGIApplication":
    """Make a WSGI application of a function from requests to replies.

    Args:
        handle: The function; HEAD requests reach it as GET.

    Returns:
        The WSGI application.
    """

    def app(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        reply = handle(_read(environ))
        # A reply without a body, such as a probe's, has no type.
        content_type = {"Content-Type": reply.content_type} if reply.content_type else {}
        headers = {**content_type, "Content-Length": str(len(reply.body)), **reply.headers}
        start_response(f"{reply.status} {status_phrase(reply.status)}", list(headers.items()))
        # A response to HEAD has the headers of the one to GET, and no body.
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]

    return app


def make_rest_app(
    api: RestApi, *, cors: bool = False, pages: Mapping[str, Callable[[], tuple[str, bytes]]] | None = None
) -> "WSGIApplication":
    """Make the application that serves TensorFlow Serving's REST API.

    Args:
        api: The API to serve.
        cors: Allow web pages of any origin to call the API, and answer their OPTIONS requests.
        pages: Functions that return the content type and body of additional pages, such as metrics, by path.

    Returns:
        The WSGI application.
    """

    def handle(request: HttpRequest) -> HttpReply:
        page = (pages or {}).get(request.path) if request.method == "GET" else None
        if page is not None:
            reply = HttpReply(200, *page())
        elif request.method == "OPTIONS":
            reply = _preflight(request)
        else:
            reply = api.handle(request)
        return replace(reply, headers={**reply.headers, **_CORS}) if cors else reply

    return make_app(handle)


def _read(environ: Mapping[str, Any]) -> HttpRequest:
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    # The raw path: once decoded, a slash in a model's name looks like a separator.
    path, _, query = _AUTHORITY.sub("", environ["REQUEST_URI"]).partition("?")
    method = "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"]
    return HttpRequest(method, path or "/", query, headers, environ["wsgi.input"].read())


def _preflight(request: HttpRequest) -> HttpReply:
    origin = request.headers.get("origin", "")
    if origin.startswith(("http://", "https://")):
        return HttpReply(200, JSON_TYPE, b"")
    return HttpReply(400, JSON_TYPE, error_body(f"OPTIONS needs an http or https Origin, got {origin!r}"))
