"""A function URL's requests as events of payload format 2.0, and results as its answers; pure.

The formats are in https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import orjson

from serverless_dnn.bench.targets.local_lambda.function import FUNCTION_NAME

JSON_TYPE = "application/json"
_TEXT_TYPES = frozenset({JSON_TYPE, "application/javascript", "application/xml"})
# They belong to the connection, or have a place of their own in the event.
_NOT_IN_EVENT = frozenset({"connection", "cookie", "keep-alive", "transfer-encoding"})
_NOT_IN_ANSWER = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
_STATUS_RANGE = range(200, 600)


@dataclass(frozen=True)
class UrlRequest:
    """A request to a function URL.

    Attributes:
        method: Its method.
        target: Path and query, as sent.
        headers: Names and values, as sent.
        body: The body, as sent.
        source_ip: The caller's address.
    """

    method: str
    target: str
    headers: Iterable[tuple[str, str]]
    body: bytes
    source_ip: str


@dataclass(frozen=True)
class UrlAnswer:
    """An answer of a function URL.

    Attributes:
        status: The HTTP status.
        headers: Names and values.
        body: The body.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def make_event(request: UrlRequest, request_id: str, trace_id: str, now: datetime) -> bytes:
    """Turn a request into an event.

    Args:
        request: The request.
        request_id: The invocation's id.
        trace_id: The X-Ray trace's id.
        now: The time, in UTC.

    Returns:
        The event's JSON.
    """
    path, _, query = _valid(request.target).partition("?")
    headers, cookies = _split_headers(request)
    body, is_base64 = _body_parts(request.body, headers)
    host, _, port = headers.get("host", "").partition(":")
    headers |= {
        "x-amzn-trace-id": trace_id,
        "x-forwarded-for": request.source_ip,
        "x-forwarded-port": port or "80",
        "x-forwarded-proto": "http",
    }
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": FUNCTION_NAME,
            "domainName": host,
            "domainPrefix": FUNCTION_NAME,
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": f"{now:%d/%b/%Y:%H:%M:%S} +0000",
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": is_base64,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = _query_parameters(query)
    head = orjson.dumps(event)
    # Joined as bytes: the body is most of the event, and base64 needs no escapes.
    return b"".join((head[:-1], b',"body":', *body, b"}")) if body else head


def read_answer(payload: bytes) -> UrlAnswer:
    """Turn a function's result into an answer.

    Args:
        payload: The result's JSON: an object with ``statusCode``, or anything else, which is the body itself.

    Returns:
        The answer.

    Raises:
        ValueError: It is not JSON, or not a valid answer.
    """
    result = parse_json(payload)
    if not isinstance(result, dict) or "statusCode" not in result:
        body = _encoded(result) if isinstance(result, str) else payload
        return UrlAnswer(200, (("content-type", JSON_TYPE),), body)
    try:
        status = int(result["statusCode"])
        headers = [
            (name, _header_value(value))
            for name, value in (result.get("headers") or {}).items()
            if name.lower() not in _NOT_IN_ANSWER
        ]
        headers += [("set-cookie", _header_value(cookie)) for cookie in result.get("cookies") or ()]
        body = _answer_body(result)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"the result has a part of the wrong type: {error}") from None
    if status not in _STATUS_RANGE:
        raise ValueError(f"statusCode {status} is not the status of an answer")
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", JSON_TYPE))
    return UrlAnswer(status, tuple(headers), body)


def parse_json(text: bytes) -> Any:
    """Parse JSON as strictly as Lambda does, which knows neither NaN nor infinity.

    Args:
        text: The JSON.

    Returns:
        Its value; lone surrogates, which JSON can name, stay in its strings.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        # It refuses lone surrogates, too.
        try:
            return json.loads(text.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise ValueError(str(error)) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _valid(text: str) -> str:
    """The text without the surrogates that stand for bytes that are not UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _split_headers(request: UrlRequest) -> tuple[dict[str, str], list[str]]:
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for sent_name, sent_value in request.headers:
        name, value = sent_name.lower(), _valid(sent_value)
        if name == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";")]
        elif name not in _NOT_IN_EVENT:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers, cookies


def _query_parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _body_parts(body: bytes, headers: Mapping[str, str]) -> tuple[tuple[bytes, ...], bool]:
    """The parts of the body's JSON string, none if there is no body; and whether it is in base64."""
    if not body:
        return (), False
    if _is_text(headers):
        try:
            return (orjson.dumps(body.decode()),), False
        except UnicodeDecodeError:
            pass
    return (b'"', binascii.b2a_base64(body, newline=False), b'"'), True


def _is_text(headers: Mapping[str, str]) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if "content-encoding" in headers:
        return False
    return media_type in _TEXT_TYPES or media_type.startswith("text/") or media_type.endswith(("+json", "+xml"))


def _answer_body(result: Mapping[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        return json.dumps(body, separators=(",", ":")).encode()
    return base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else _encoded(body)


def _encoded(text: str) -> bytes:
    # A lone surrogate has no UTF-8.
    return text.encode("utf-8", "replace")


def _header_value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if any(character in text for character in "\r\n\0"):
        raise ValueError(f"{text!r} cannot be a header's value")
    return text
