"""A function that returns the same answer at once, under the real runtime client."""

import base64
import contextlib
from typing import Any

from serverless_dnn.bench.targets.null_servers.reply import read_reply


def _make_answer(body: bytes, content_type: str) -> dict[str, Any]:
    """A function can return text as it is; everything else must be in base64."""
    answer = {"statusCode": 200, "headers": {"content-type": content_type}}
    if content_type.startswith("text/") or content_type.endswith("json"):
        with contextlib.suppress(UnicodeDecodeError):
            return {**answer, "body": body.decode(), "isBase64Encoded": False}
    return {**answer, "body": base64.b64encode(body).decode("ascii"), "isBase64Encoded": True}


_ANSWER = _make_answer(*read_reply())


def handler(_event: object, _context: object) -> dict[str, Any]:
    """Answer.

    Args:
        _event: The event, which the runtime client has read whole; not looked at.
        _context: Lambda's context; unused.

    Returns:
        The answer of a function URL.
    """
    return _ANSWER
