"""Decompression of request bodies."""

import zlib

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.errors import InvalidArgumentError, PayloadTooLargeError, UnsupportedMediaTypeError
from serverless_dnn.runtime.http.messages import HttpRequest

# Inflating in pieces of this size stops a decompression bomb early.
_PIECE_BYTES = 1 << 20


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
