"""Compression of bodies: requests are inflated within limits, replies compressed for callers who ask."""

import gzip
import re
import zlib
from dataclasses import replace

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.codecs.content_types import is_text
from serverless_dnn.runtime.errors import InvalidArgumentError, PayloadTooLargeError, UnsupportedMediaTypeError
from serverless_dnn.runtime.http.messages import HttpReply, HttpRequest

# Inflating in pieces of this size stops a decompression bomb early.
_PIECE_BYTES = 1 << 20
# Below this, the headers of gzip cost more than it saves.
_WORTH_COMPRESSING_BYTES = 4 << 10
# Numbers shrink hardly better at higher levels, which take several times as long.
_LEVEL = 1


def is_compressed(request: HttpRequest) -> bool:
    """Whether a request's body is compressed.

    Args:
        request: The request.
    """
    return _encoding(request) not in ("", "identity")


def inflate(request: HttpRequest, max_body_bytes: int, budget: DecodeBudget) -> bytes:
    """The body, decompressed if it is gzipped.

    Args:
        request: The request.
        max_body_bytes: The largest result; decompression stops there.
        budget: Charged for the result as it grows.

    Returns:
        The bytes of all members of the gzip file.

    Raises:
        PayloadTooLargeError: The body is larger.
        ResourceExhaustedError: There is not enough memory for it now.
        InvalidArgumentError: The body claims to be gzip but is not.
        UnsupportedMediaTypeError: The body has another encoding.
    """
    encoding = _encoding(request)
    if encoding in ("gzip", "x-gzip"):
        try:
            return _inflate(request.body, max_body_bytes, budget)
        except zlib.error as error:
            raise InvalidArgumentError(f"the body is not gzip, as its Content-Encoding says: {error}") from None
    if encoding not in ("", "identity"):
        raise UnsupportedMediaTypeError(f"Content-Encoding must be gzip or absent, got {encoding}")
    if len(request.body) > max_body_bytes:
        raise _too_large(max_body_bytes)
    return request.body


def compress(reply: HttpReply, accepted: str) -> HttpReply:
    """Compress a reply with gzip, if the caller accepts that and it is worth it: floats in binary hardly shrink.

    Args:
        reply: The reply.
        accepted: The ``Accept-Encoding`` header; empty accepts none.

    Returns:
        The reply itself, or one with a gzipped body.
    """
    if len(reply.body) < _WORTH_COMPRESSING_BYTES or not is_text(reply.content_type) or not _accepts_gzip(accepted):
        return reply
    headers = {**reply.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return replace(reply, body=gzip.compress(reply.body, _LEVEL, mtime=0), headers=headers)


def _accepts_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        name, *parameters = (item.strip() for item in part.split(";"))
        if name in ("gzip", "x-gzip", "*"):
            return not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", parameter) for parameter in parameters)
    return False


def _encoding(request: HttpRequest) -> str:
    return request.headers.get("content-encoding", "").strip().lower()


def _inflate(body: bytes, max_body_bytes: int, budget: DecodeBudget) -> bytes:
    pieces: list[bytes] = []
    size_bytes = 0
    left = body
    # Zeros may follow the last member.
    while left.strip(b"\0") or not pieces:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while not member.eof:
            piece = member.decompress(left, _PIECE_BYTES)
            left = member.unconsumed_tail
            if not piece and not left and not member.eof:
                raise InvalidArgumentError("the gzipped body is truncated")
            size_bytes += len(piece)
            if size_bytes > max_body_bytes:
                raise _too_large(max_body_bytes)
            budget.hold(len(piece))
            pieces.append(piece)
        left = member.unused_data
    return b"".join(pieces)


def _too_large(max_body_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"the body is larger than the {max_body_bytes} bytes this server accepts")
