"""Which pre-signed URLs a server uses: a strict reading, and the hosts that may be named."""

import re
from dataclasses import dataclass, field

from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, PermissionDeniedError
from serverless_dnn.runtime.options import host_patterns

HTTPS_PORT = 443
# Signed with a session token, a URL takes about 2 KB; S3 accepts 8 KB of headers.
_MAX_URL = 8192

# One reading for all: what the URL standard, RFC 3986 and other libraries read differently (backslashes, spaces, other
# alphabets, unescaped brackets) is refused, not repaired.
_PARTS = re.compile(r"https://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?", re.IGNORECASE)
_VISIBLE = re.compile(r"[!-~]*")
_ESCAPED = re.compile(r"(?:[\w\-.~!$&'()*+,;=:@/?]|%(?![01][0-9A-Fa-f]|7[Ff])[0-9A-Fa-f]{2})*", re.ASCII)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
# Resolvers take a name whose last label is a number, also octal or hexadecimal, for an IPv4 address, as browsers do.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
# A query that was escaped by mistake is part of the path; its signature is a secret all the same.
_SHOWN = re.compile(r"(?:(?!%(?:25)*3f|[;&]).)*", re.IGNORECASE)
_MAX_SHOWN = 200

# https://docs.aws.amazon.com/general/latest/gr/s3.html. Wider patterns would be unsafe: whoever rents a machine has a
# name below amazonaws.com. A bucket with dots in its name has no valid certificate as a host name, only in the path.
_REGION = r"[a-z]{2,4}(?:-[a-z]+){1,2}-[0-9]{1,2}"
_S3 = re.compile(
    r"(?:[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\.)?"
    rf"(?:s3(?:-external-1|-accelerate(?:\.dualstack)?|(?:-fips)?-{_REGION})?\.amazonaws\.com"
    rf"|s3(?:-fips)?(?:\.dualstack)?\.{_REGION}\.amazonaws\.(?:com|com\.cn|eu))"
)


@dataclass(frozen=True)
class TransferUrl:
    """A URL that may be used, as far as its text can tell.

    Attributes:
        host: The host's name, in lower case.
        port: The port.
        target: The path and the query, as sent to the host; a secret, since the query holds the signature.
        shown: The URL without its query, for messages and logs.
    """

    host: str
    port: int
    target: str = field(repr=False)
    shown: str


class TransferHosts:
    """The hosts that URLs may name.

    Args:
        patterns: Those of ``TransferOptions.hosts``.
    """

    def __init__(self, patterns: str) -> None:
        names = host_patterns(patterns).split(",")
        self._patterns = [] if names == ["none"] else [_compiled(name) for name in names]

    def check(self, url: str) -> TransferUrl:
        """Read a URL and check it. No message holds any part of one that is malformed, nor the query of any.

        Args:
            url: The caller's URL, of any kind.

        Returns:
            Its parts.

        Raises:
            FailedPreconditionError: Transfers are turned off.
            InvalidArgumentError: The URL is malformed, or is not https, or names no host but an address.
            PermissionDeniedError: Its host or port is not allowed.
        """
        if not self._patterns:
            raise FailedPreconditionError(
                "this server does not use pre-signed URLs: send the tensors themselves (its operator can allow URLs "
                "with SDNN_TRANSFER_HOSTS)"
            )
        read = read_url(url)
        ports = [port for pattern, port in self._patterns if pattern.fullmatch(read.host)]
        if not ports:
            raise PermissionDeniedError(
                f"this server does not use pre-signed URLs of {read.host}: its operator can allow hosts with "
                "SDNN_TRANSFER_HOSTS"
            )
        if read.port not in ports:
            raise PermissionDeniedError(
                f"this server does not use port {read.port} of {read.host}, only {', '.join(map(str, sorted(ports)))}"
            )
        return read


def read_url(url: str) -> TransferUrl:
    """Read a pre-signed URL strictly.

    Args:
        url: The caller's URL, of any kind.

    Returns:
        Its parts; the host may be any name.

    Raises:
        InvalidArgumentError: It is malformed, or is not https, or names no host but an address.
    """
    if len(url) > _MAX_URL:
        raise _malformed(f"must have at most {_MAX_URL} characters, got {len(url)}")
    if not _VISIBLE.fullmatch(url):
        raise _malformed("must be visible ASCII characters only: percent-encode the others, and spaces")
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise _malformed("must start with https:// and have no fragment")
    path, query = parts["path"], parts["query"]
    if path is None:
        raise _malformed("must have a path: the bucket's object")
    if not _ESCAPED.fullmatch(path) or not _ESCAPED.fullmatch(query or ""):
        raise _malformed(
            "must have no characters but those of RFC 3986 in its path and query: percent-encode the others, except "
            "control characters, which are not accepted"
        )
    host, port = _host_and_port(parts["authority"].lower())
    target = path if query is None else f"{path}?{query}"
    return TransferUrl(host, port, target, _shown(host, port, path))


def _host_and_port(authority: str) -> tuple[str, int]:
    if "@" in authority:
        raise _malformed("must not hold a user name or a password")
    host, colon, digits = authority.partition(":")
    if authority.startswith("[") or _NUMBER.fullmatch(host):
        raise _malformed("must name its host, not give an address")
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise _malformed("must name its host as letters, digits and hyphens between single dots")
    if colon and not re.fullmatch("[1-9][0-9]{0,4}", digits):
        raise _malformed("must have a port from 1 to 65535 after the colon")
    port = int(digits) if colon else HTTPS_PORT
    if port > 65_535:
        raise _malformed("must have a port from 1 to 65535 after the colon")
    return host, port


def _shown(host: str, port: int, path: str) -> str:
    whole = _SHOWN.match(path)
    shown = whole[0] if whole else ""
    cut = "" if shown == path and len(path) <= _MAX_SHOWN else "..."
    return f"https://{host}{'' if port == HTTPS_PORT else f':{port}'}{shown[:_MAX_SHOWN]}{cut}"


def _compiled(name: str) -> tuple[re.Pattern[str], int]:
    if name == "s3":
        return _S3, HTTPS_PORT
    host, _, port = name.partition(":")
    label, dot, domain = host.partition(".")
    text = f"{_LABEL}{re.escape(dot + domain)}" if label == "*" else re.escape(host)
    return re.compile(text), int(port or HTTPS_PORT)


def _malformed(rule: str) -> InvalidArgumentError:
    # The URL is not quoted: which of its parts are secret is not known.
    return InvalidArgumentError(f"a pre-signed URL {rule}")
