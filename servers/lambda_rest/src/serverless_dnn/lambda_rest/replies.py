"""Replies in the form that each event's sender expects."""

import json
from typing import Any

import orjson
import pybase64

from serverless_dnn.lambda_rest.events import Event, EventKind
from serverless_dnn.runtime.codecs.content_types import is_text
from serverless_dnn.runtime.errors import PayloadTooLargeError
from serverless_dnn.runtime.http.messages import HttpReply, status_phrase

# Lambda rejects longer results (6 MiB and 100 bytes, counted as JSON); the difference is left for the envelope.
MAX_RESULT_BYTES = 6_291_556 - 4_096
_ADVICE = (
    "ask for fewer outputs, accept application/x-npy or application/x-protobuf, or have the outputs written to a "
    "pre-signed URL (outputs_url)"
)


def check_size(reply: HttpReply, kind: EventKind) -> None:
    """Refuse a reply that Lambda would not pass on, before it is encoded.

    Args:
        reply: The reply.
        kind: The event's sender.

    Raises:
        PayloadTooLargeError: The result would be too large; the message says what to do.
    """
    if (size := _result_bytes(reply, kind)) > MAX_RESULT_BYTES:
        raise PayloadTooLargeError(
            f"the response of {size} bytes is larger than the {MAX_RESULT_BYTES} Lambda allows: {_ADVICE}"
        )


def result_of(reply: HttpReply, event: Event) -> Any:
    """The function's result, as a value for Lambda's runtime client to print.

    Args:
        reply: The reply.
        event: The event that is answered.

    Returns:
        The body itself for a bare body, otherwise an object with status, headers and body.
    """
    return json.loads(reply.body) if event.kind is EventKind.BARE else _enveloped(reply, event)


def encode_result(reply: HttpReply, event: Event) -> bytes:
    """The function's result as JSON text.

    Args:
        reply: The reply.
        event: The event that is answered.

    Returns:
        The body of a bare body as it is; the others' as a string inside an object.
    """
    return reply.body if event.kind is EventKind.BARE else orjson.dumps(_enveloped(reply, event))


def _is_plain(reply: HttpReply) -> bool:
    """Whether the body is text as it is."""
    return is_text(reply.content_type) and "Content-Encoding" not in reply.headers


def _enveloped(reply: HttpReply, event: Event) -> dict[str, Any]:
    plain = _is_plain(reply)
    headers = {"content-type": reply.content_type, **reply.headers}
    result: dict[str, Any] = {
        "statusCode": reply.status,
        "headers": headers,
        "body": reply.body.decode() if plain else pybase64.b64encode_as_string(reply.body),
        "isBase64Encoded": not plain,
    }
    if event.kind is EventKind.LOAD_BALANCER:
        result["statusDescription"] = f"{reply.status} {status_phrase(reply.status)}"
        if event.has_multi_value_headers:
            result["multiValueHeaders"] = {name: [value] for name, value in result.pop("headers").items()}
    return result


def _result_bytes(reply: HttpReply, kind: EventKind) -> int:
    """The body's size inside the result: as it is, as a JSON string, or as base64."""
    if kind is EventKind.BARE:
        return len(reply.body)
    if _is_plain(reply):
        return len(reply.body) + reply.body.count(b'"') + reply.body.count(b"\\")
    return -(-len(reply.body) // 3) * 4
