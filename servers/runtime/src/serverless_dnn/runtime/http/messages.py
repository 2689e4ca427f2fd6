"""HTTP requests and replies, independent of the platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass(frozen=True)
class HttpRequest:
    """A request, independent of the platform.

    Attributes:
        method: For example ``POST``.
        path: Starts with ``/``; still percent-encoded.
        query: The part after ``?``; empty if there is none.
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
        """The media type without its parameters, in lower case; empty if not given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class HttpReply:
    """A reply.

    Attributes:
        status: The HTTP status.
        content_type: The body's content type.
        body: The bytes.
        headers: Additional headers.
    """

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def status_phrase(status: int) -> str:
    """The words that follow a status in HTTP.

    Args:
        status: The status.

    Returns:
        For example ``Not Found``.
    """
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        # 499 is not a standard status: the client went away.
        return "Client Closed Request"
