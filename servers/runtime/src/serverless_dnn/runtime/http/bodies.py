"""Request bodies as they were before they were compressed."""

import zlib

from serverless_dnn.runtime.errors import InvalidArgumentError, PayloadTooLargeError, UnsupportedMediaTypeError
from serverless_dnn.runtime.http.messages import HttpRequest


def inflate(request: HttpRequest, max_body_bytes: int) -> bytes:
    """The body, inflated if it came gzipped.

    Args:
        request: The request.
        max_body_bytes: The largest result; inflation stops there.

    Returns:
        The bytes.

    Raises:
        PayloadTooLargeError: The body is larger.
        InvalidArgumentError: The body is not the gzip it claims to be.
        UnsupportedMediaTypeError: Another encoding.
    """
    body = request.body
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip":
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            body = stream.decompress(request.body, max_body_bytes + 1)
        except zlib.error as error:
            raise InvalidArgumentError(f"the body is not gzip, as its Content-Encoding says: {error}") from None
        if len(body) <= max_body_bytes and not stream.eof:
            raise InvalidArgumentError("the gzipped body is cut short")
    elif encoding not in ("", "identity"):
        raise UnsupportedMediaTypeError(f"Content-Encoding must be gzip or absent, got {encoding}")
    if len(body) > max_body_bytes:
        raise PayloadTooLargeError(f"the body is larger than the {max_body_bytes} bytes this server takes")
    return body
