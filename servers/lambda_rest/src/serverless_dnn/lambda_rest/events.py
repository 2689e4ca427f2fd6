"""Translates Lambda's HTTP events to requests, and replies to the format each event's sender expects.

Function URLs and HTTP APIs send format 2.0, REST APIs format 1.0, load balancers their own; a direct Invoke may send a
bare Predict body. The formats are documented at https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html, the
API Gateway Developer Guide (payload format version) and the Application Load Balancer guide (Lambda targets).
"""

import base64
import binascii
from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import orjson

from serverless_dnn.runtime.codecs.content_types import JSON_TYPE, is_text
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.http.messages import HttpReply, HttpRequest


class EventKind(Enum):
    """The sender of an event."""

    HTTP_V2 = "function URL or HTTP API"
    REST_V1 = "REST API"
    LOAD_BALANCER = "load balancer"
    DIRECT = "direct invoke"


def event_kind(event: Mapping[str, Any]) -> EventKind:
    """Determine who sent an event.

    Args:
        event: The event.

    Returns:
        Its kind; ``DIRECT`` for anything that is not an HTTP event.
    """
    context = event.get("requestContext")
    if isinstance(context, Mapping):
        if "elb" in context:
            return EventKind.LOAD_BALANCER
        if "http" in context:
            return EventKind.HTTP_V2
    return EventKind.REST_V1 if "httpMethod" in event else EventKind.DIRECT


def parse_event(event: Mapping[str, Any], default_path: str) -> HttpRequest:
    """Turn an event into a request.

    Args:
        event: Any of the four kinds.
        default_path: The path to use for a direct event, which has none.

    Returns:
        The request, with its body decoded from base64 if the event is marked so.

    Raises:
        InvalidArgumentError: The event does not have the form of its kind.
    """
    kind = event_kind(event)
    if kind is EventKind.DIRECT:
        try:
            body = orjson.dumps(event)
        except TypeError as error:
            raise InvalidArgumentError(f"the event is not JSON: {error}") from None
        return HttpRequest("POST", default_path, headers={"content-type": JSON_TYPE}, body=body)
    try:
        if kind is EventKind.HTTP_V2:
            method, path = event["requestContext"]["http"]["method"], event["rawPath"]
            query = event.get("rawQueryString") or ""
        else:
            method, path = event["httpMethod"], event["path"]
            query = urlencode(event.get("queryStringParameters") or {})
        return HttpRequest(method, path, query, _headers(event), _body(event))
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidArgumentError(f"the event is not a valid {kind.value} event: {error!r}") from None


def format_reply(reply: HttpReply, event: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a reply into the format the event's sender expects.

    Args:
        reply: The reply.
        event: The event being answered.

    Returns:
        The handler's result. Binary bodies are base64-encoded.
    """
    kind = event_kind(event)
    if kind is EventKind.DIRECT:
        result: dict[str, Any] = orjson.loads(reply.body)
        return result
    text = is_text(reply.content_type)
    headers = {"content-type": reply.content_type, **reply.headers}
    result = {
        "statusCode": reply.status,
        "headers": headers,
        "body": reply.body.decode() if text else base64.b64encode(reply.body).decode("ascii"),
        "isBase64Encoded": not text,
    }
    if kind is EventKind.LOAD_BALANCER:
        result["statusDescription"] = f"{reply.status} {HTTPStatus(reply.status).phrase}"
        if "multiValueHeaders" in event:
            result["multiValueHeaders"] = {name: [value] for name, value in result.pop("headers").items()}
    return result


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    if event.get("headers"):
        return {name.lower(): str(value) for name, value in event["headers"].items()}
    return {name.lower(): ",".join(values) for name, values in (event.get("multiValueHeaders") or {}).items()}


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        try:
            return str(body).encode()
        except UnicodeEncodeError:
            raise InvalidArgumentError("the event's body holds a lone surrogate") from None
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgumentError(f"the event's body is marked as base64 but is not: {error}") from None
