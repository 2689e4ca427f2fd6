"""Request bodies read from pre-signed URLs, and responses written to them."""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.codecs.content_types import JSON_TYPE, NPY_TYPE
from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.errors import InvalidArgumentError, PayloadTooLargeError, ServingError, UnavailableError
from serverless_dnn.runtime.http.messages import HttpRequest
from serverless_dnn.runtime.http.transfer_request import TransferRequest
from serverless_dnn.runtime.settings import TransferOptions

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from serverless_dnn.runtime.http.transfer_connection import Dial, Resolve, StorageNetwork
    from serverless_dnn.runtime.http.transfer_url import TransferHosts, TransferUrl

_PIECE_BYTES = 1 << 18
# An error of S3 is a document of some hundred bytes, https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
# Only its code is repeated: other elements of it hold what was signed.
_ERROR_BYTES = 4096
_ERROR_CODE = rb"<Code>([A-Za-z]{1,64})</Code>"
# What objects have that were stored without a type.
_UNTOLD_TYPES = ("", "binary/octet-stream", "application/octet-stream")
_NPY_MAGIC = b"\x93NUMPY"
# Of the downloaded body; those of the request described the URLs.
_REPLACED = ("content-type", "content-encoding", "content-length")


@dataclass(frozen=True)
class Downloaded:
    """An object read from storage.

    Attributes:
        content_type: Its ``Content-Type``; empty if not given.
        content_encoding: Its ``Content-Encoding``; empty if not given. The body is as stored.
        body: The bytes.
    """

    content_type: str
    content_encoding: str
    body: bytes


class Transfers:
    """Reads and writes objects by pre-signed URLs; thread-safe, without locks.

    Args:
        options: Which hosts, and how much of them.
        resolve: Gives a host's addresses, if not the system's resolver.
        dial: Connects to an address, if not directly.
    """

    def __init__(
        self, options: TransferOptions, *, resolve: "Resolve | None" = None, dial: "Dial | None" = None
    ) -> None:
        self._options = options
        self._resolve = resolve
        self._dial = dial
        # Both are made by the first request that names a URL: most servers never get one, and all of them start.
        # Threads that begin together each make them, and one of them stays.
        self._hosts: TransferHosts | None = None
        self._network: StorageNetwork | None = None

    @property
    def max_bytes(self) -> int:
        """The largest body of an object, before and after decompression, in bytes."""
        return self._options.max_bytes

    def check(self, url: str) -> "TransferUrl":
        """Check a URL as far as its text can tell, without connecting.

        Args:
            url: The caller's URL.

        Returns:
            Its parts.

        Raises:
            FailedPreconditionError: Transfers are turned off.
            InvalidArgumentError: The URL is malformed, or is not https, or names no host but an address.
            PermissionDeniedError: Its host or port is not allowed.
        """
        if self._hosts is None:
            from serverless_dnn.runtime.http.transfer_url import TransferHosts

            self._hosts = TransferHosts(self._options.hosts)
        return self._hosts.check(url)

    def download(self, url: str, deadline: Deadline, budget: DecodeBudget) -> Downloaded:
        """Read an object.

        Args:
            url: The caller's URL, signed for GET.
            deadline: How long the caller waits.
            budget: Charged for the body as it grows.

        Returns:
            The object.

        Raises:
            FailedPreconditionError: Transfers are turned off.
            InvalidArgumentError: The URL is malformed, or storage refuses it.
            PermissionDeniedError: The host, its address or its certificate is refused.
            PayloadTooLargeError: The body is over the limit.
            ResourceExhaustedError: There is not enough memory for it now.
            UnavailableError: Storage is unreachable or failed.
            DeadlineExceededError: It took too long.
            CancelledError: The caller is gone.
        """
        read = self.check(url)
        what = f"the download from {read.shown}"
        with self._exchange(read, "GET", what, deadline) as response:
            if response.status != 200:
                raise _answer_error(response, what)
            body = _read_body(response, what, self.max_bytes, budget)
            return Downloaded(
                response.headers.get("content-type", ""), response.headers.get("content-encoding", ""), body
            )

    def upload(self, url: str, content_type: str, body: bytes, deadline: Deadline) -> None:
        """Write an object.

        Args:
            url: The caller's URL, signed for PUT.
            content_type: The body's content type; a signature may cover it.
            body: The bytes.
            deadline: How long the caller waits.

        Raises:
            FailedPreconditionError: Transfers are turned off.
            InvalidArgumentError: The URL is malformed, or storage refuses it.
            PermissionDeniedError: The host, its address or its certificate is refused.
            UnavailableError: Storage is unreachable or failed.
            DeadlineExceededError: It took too long.
            CancelledError: The caller is gone.
        """
        read = self.check(url)
        what = f"the upload to {read.shown}"
        with self._exchange(read, "PUT", what, deadline, body, {"Content-Type": content_type}) as response:
            if response.status not in (200, 201, 204):
                raise _answer_error(response, what)

    @contextmanager
    def _exchange(
        self,
        url: "TransferUrl",
        method: str,
        what: str,
        deadline: Deadline,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Iterator[HTTPResponse]":
        from serverless_dnn.runtime.http.transfer_connection import StorageConnection, TransferTime, storage_errors

        time = TransferTime(deadline, self._options.timeout_s, what)
        connection = StorageConnection(url, self._reach(), time)
        with storage_errors(url, time, what), closing(connection):
            connection.connect()
            try:
                connection.request(method, url.target, body, {"Connection": "close", **(headers or {})})
            except OSError as error:
                # Storage that refuses a body may close its side before it has read all of it, and has said why.
                if body is None or isinstance(error, TimeoutError):
                    raise
            with connection.getresponse() as response:
                yield response

    def _reach(self) -> "StorageNetwork":
        if self._network is None:
            from serverless_dnn.runtime.http import transfer_connection
            from serverless_dnn.runtime.http.transfer_addresses import networks_of

            self._network = transfer_connection.StorageNetwork(
                networks_of(self._options.networks),
                self._resolve or transfer_connection.resolve_name,
                self._dial or transfer_connection.dial_address,
                transfer_connection.make_tls(),
            )
        return self._network


def fetch_inputs(
    request: HttpRequest, urls: TransferRequest, transfers: Transfers, deadline: Deadline, budget: DecodeBudget
) -> HttpRequest:
    """Replace a body that names pre-signed URLs with the one that is behind them.

    Args:
        request: The request with that body.
        urls: What the body names, not yet checked.
        transfers: Reads the URL.
        deadline: How long the caller waits.
        budget: Charged for the body read.

    Returns:
        The request with the body, content type and content encoding that were read.

    Raises:
        ServingError: One of the URLs is malformed or refused, or the download failed; see ``Transfers.download``.
    """
    if urls.outputs_url is not None:
        # Before anything is read or computed in vain.
        transfers.check(urls.outputs_url)
    found = transfers.download(urls.inputs_url, deadline, budget)
    headers = {name: value for name, value in request.headers.items() if name not in _REPLACED}
    headers["content-type"] = _content_type(found)
    if found.content_encoding:
        headers["content-encoding"] = found.content_encoding
    return replace(request, headers=headers, body=found.body)


def _content_type(found: Downloaded) -> str:
    """What the object is: what storage was told, or what its first bytes say where it was told nothing."""
    if found.content_type not in _UNTOLD_TYPES:
        return found.content_type
    return NPY_TYPE if found.body.startswith(_NPY_MAGIC) else JSON_TYPE


def _read_body(response: "HTTPResponse", what: str, max_bytes: int, budget: DecodeBudget) -> bytes:
    length = response.length
    if length is not None and length > max_bytes:
        raise PayloadTooLargeError(f"{what} would be {length} bytes, more than the {max_bytes} this server accepts")
    # Its value is not copied; a list of pieces would be held twice when joined.
    body = io.BytesIO()
    piece = memoryview(bytearray(_PIECE_BYTES))
    size_bytes = 0
    while count := response.readinto(piece):
        size_bytes += count
        if size_bytes > max_bytes:
            raise PayloadTooLargeError(f"{what} is larger than the {max_bytes} bytes this server accepts")
        budget.hold(count)
        body.write(piece[:count])
    if length is not None and size_bytes < length:
        raise UnavailableError(f"{what} ended after {size_bytes} of {length} bytes")
    return body.getvalue()


def _answer_error(response: "HTTPResponse", what: str) -> ServingError:
    status = response.status
    found = re.search(_ERROR_CODE, response.read(_ERROR_BYTES))
    code = f" ({found[1].decode()})" if found else ""
    failed = f"{what} failed: storage answered {status}{code}"
    if status >= 500 or status in (408, 429):
        return UnavailableError(failed)
    if 300 <= status < 400:
        return InvalidArgumentError(f"{failed}, and redirects are not followed: sign a URL of the bucket's own region")
    if status in (401, 403):
        return InvalidArgumentError(
            f"{failed}: the URL may have expired, or be signed for another method, content type or object"
        )
    return InvalidArgumentError(failed)
