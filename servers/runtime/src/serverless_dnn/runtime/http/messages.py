"""Requests and replies of any HTTP platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class HttpRequest:
    """What a platform's request comes down to.

    Attributes:
        method: Such as ``POST``.
        path: Starts with ``/``; still percent-encoded.
        query: What follows ``?``; empty when nothing does.
        headers: By lower-case name.
        body: The bytes, as sent.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """The media type without its parameters, lower-case; empty when not given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class HttpReply:
    """The answer.

    Attributes:
        status: The HTTP status.
        content_type: Of the body.
        body: The bytes.
        headers: Further headers.
    """

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
