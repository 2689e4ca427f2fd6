"""Lambda's events as HTTP requests.

Function URLs and HTTP APIs send format 2.0, REST APIs format 1.0, load balancers their own; a direct Invoke sends a
bare TensorFlow Serving body or an envelope of ours. The formats are documented at
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html, in the API Gateway Developer Guide (payload format
version) and in the Application Load Balancer guide (Lambda targets).
"""

import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pybase64

from serverless_dnn.runtime.codecs.content_types import JSON_TYPE
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.http.messages import HttpRequest

# A larger event without any of these words is a bare body, and is left to its own decoder.
_ENVELOPE_WORDS = (b'"requestContext"', b'"httpMethod"', b'"path"')
_SMALL_BYTES = 1 << 16
_SHOWN = 300
_API_ROOT = re.compile(r"/v1/models(?=[/?]|$)", re.IGNORECASE)
# What schedules send to keep a function warm: EventBridge, and the plug-ins of two deployment frameworks.
_WARM_UP_SOURCES = frozenset({"aws.events", "aws.scheduler", "serverless-plugin-warmup"})


class EventKind(Enum):
    """The sender of an event."""

    HTTP_V2 = "function URL or HTTP API"
    REST_V1 = "REST API"
    LOAD_BALANCER = "load balancer"
    ENVELOPE = "direct invoke with a path"
    BARE = "direct invoke"
    WARM_UP = "warm-up"


@dataclass(frozen=True)
class Event:
    """An event, read.

    Attributes:
        kind: Its sender.
        request: What it asks for; the path of a bare body is empty.
        has_multi_value_headers: Whether its sender wants headers as lists.
        error: Why it does not have the form of its kind; the request is empty.
    """

    kind: EventKind
    request: HttpRequest
    has_multi_value_headers: bool = False
    error: InvalidArgumentError | None = None


def read_event(event: Any, base_path: str | None = None) -> Event:
    """Read an event.

    Args:
        event: The JSON text, or the value parsed from it.
        base_path: What precedes the API's paths; ``None`` accepts anything.

    Returns:
        The event, with its body decoded from base64 if it is marked so.
    """
    if isinstance(event, (bytes, bytearray)) and _is_large_bare(event):
        return Event(EventKind.BARE, _bare(bytes(event)))
    kind, has_lists = EventKind.BARE, False
    try:
        document = _parse(bytes(event)) if isinstance(event, (bytes, bytearray)) else event
        kind = _kind(document)
        has_lists = isinstance(document, Mapping) and isinstance(document.get("multiValueHeaders"), Mapping)
        return Event(kind, _request(kind, event, document, base_path), has_lists)
    except InvalidArgumentError as error:
        found = error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        found = InvalidArgumentError(f"the event is not a valid {kind.value} event: {error!r}"[:_SHOWN])
    return Event(kind, HttpRequest("GET", ""), has_lists, found)


def _is_large_bare(text: bytes | bytearray) -> bool:
    return len(text) > _SMALL_BYTES and not any(word in text for word in _ENVELOPE_WORDS)


def _request(kind: EventKind, event: Any, document: Any, base_path: str | None) -> HttpRequest:
    match kind:
        case EventKind.BARE:
            return _bare(bytes(event) if isinstance(event, (bytes, bytearray)) else _print(document))
        case EventKind.WARM_UP:
            return HttpRequest("GET", "")
        case EventKind.ENVELOPE:
            return _envelope(document, base_path)
        case _:
            return _http(kind, document, base_path)


def _kind(document: Any) -> EventKind:
    if not isinstance(document, Mapping):
        return EventKind.BARE
    context = document.get("requestContext")
    context = context if isinstance(context, Mapping) else {}
    path, source = document.get("path"), document.get("source")
    signs = {
        EventKind.LOAD_BALANCER: "elb" in context,
        EventKind.HTTP_V2: "http" in context,
        EventKind.REST_V1: "httpMethod" in document,
        EventKind.ENVELOPE: isinstance(path, str) and path.startswith("/"),
        EventKind.WARM_UP: (isinstance(source, str) and source in _WARM_UP_SOURCES) or document.get("warmer") is True,
    }
    return next((kind for kind, is_found in signs.items() if is_found), EventKind.BARE)


def _bare(body: bytes) -> HttpRequest:
    return HttpRequest("POST", "", headers={"content-type": JSON_TYPE}, body=body)


def _http(kind: EventKind, event: Mapping[str, Any], base_path: str | None) -> HttpRequest:
    if kind is EventKind.HTTP_V2:
        method, path = event["requestContext"]["http"]["method"], event["rawPath"]
        query = event.get("rawQueryString") or ""
    else:
        # Load balancers pass paths as they are, REST APIs decode them.
        method, path = event["httpMethod"], event["path"]
        query = _query(event, is_encoded=kind is EventKind.LOAD_BALANCER)
        if kind is EventKind.REST_V1:
            path = quote(path, safe="/:%")
    if not isinstance(method, str) or not isinstance(path, str) or not isinstance(query, str):
        raise TypeError("method, path and query must be strings")
    return HttpRequest(method, _api_path(path, base_path), query, _headers(event), _body(event))


def _envelope(event: Mapping[str, Any], base_path: str | None) -> HttpRequest:
    body = event.get("body")
    if body is not None and not isinstance(body, str):
        # The caller's JSON, not wrapped into a string.
        event = {**event, "body": json.dumps(body), "isBase64Encoded": False}
    method = event.get("method") or ("GET" if body is None else "POST")
    headers = {"content-type": JSON_TYPE, **_headers(event)}
    if not isinstance(method, str):
        raise TypeError("method must be a string")
    return HttpRequest(method, _api_path(event["path"], base_path), "", headers, _body(event))


def _api_path(path: str, base_path: str | None) -> str:
    """The path without a stage, a custom domain's mapping, or a load balancer's prefix."""
    if base_path is not None:
        return path.removeprefix(base_path) or "/"
    root = _API_ROOT.search(path)
    return path if root is None else path[root.start() :]


def _query(event: Mapping[str, Any], *, is_encoded: bool) -> str:
    several = event.get("multiValueQueryStringParameters")
    pairs = several or event.get("queryStringParameters")
    if not pairs:
        return ""
    if is_encoded:
        values = [(name, value if isinstance(value, list) else [value]) for name, value in pairs.items()]
        return "&".join(f"{name}={each}" for name, many in values for each in many)
    return urlencode(pairs, doseq=True)


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, values in (event.get("multiValueHeaders") or {}).items():
        found[name.lower()] = ",".join(map(str, values))
    for name, value in (event.get("headers") or {}).items():
        found.setdefault(name.lower(), str(value))
    return found


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise TypeError(f"the body must be a string, got {type(body).__name__}")
    if not event.get("isBase64Encoded"):
        try:
            return body.encode()
        except UnicodeEncodeError:
            raise InvalidArgumentError("the event's body holds a lone surrogate") from None
    try:
        return pybase64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgumentError(f"the event's body is marked as base64 but is not: {error}") from None


def _parse(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # It knows neither NaN, nor large integers, nor lone surrogates, which all have answers of their own.
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"the event is not JSON: {str(error)[:200]}") from None


def _print(document: Any) -> bytes:
    try:
        return json.dumps(document).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"the event is not JSON: {str(error)[:200]}") from None
