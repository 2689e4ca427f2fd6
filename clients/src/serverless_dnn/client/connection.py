"""Make the client that a URL asks for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from serverless_dnn.client.errors import RequestError
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.options import ClientOptions

if TYPE_CHECKING:
    from serverless_dnn.client.async_client import AsyncClient
    from serverless_dnn.client.client import Client

_FORMS = (
    "grpc://HOST:PORT, grpcs://HOST, unix:/PATH, https://SERVICE.run.app, http(s)://HOST:PORT, lambda:NAME, "
    "lambda+http(s)://HOST:PORT/NAME, sagemaker:NAME or sagemaker+http(s)://HOST:PORT[/NAME]"
)
_CLOUD_RUN = ".run.app"
Kind = Literal["grpc", "rest", "lambda", "sagemaker"]


def connect(url: str, model: str | ModelAddress, options: ClientOptions | None = None) -> "Client":
    """Make the client for a URL; nothing is sent before its first call.

    Args:
        url: ``grpc://host:port``, ``grpcs://host[:port]`` with TLS, ``unix:/path``, ``https://service.run.app`` (gRPC:
            Cloud Run, TensorFlow Serving, OpenVINO Model Server); ``http(s)://host:port`` (TensorFlow Serving's REST
            API, a Lambda function's URL); ``lambda:NAME`` or ``sagemaker:NAME`` in AWS, or
            ``lambda+http(s)://host:port/NAME`` and ``sagemaker+http(s)://host:port/NAME`` elsewhere;
            ``sagemaker+http://host:port`` for a container on its own.
        model: The model, by name or in full.
        options: The options.

    Returns:
        A client; close it, or use it in a ``with`` block.

    Raises:
        RequestError: The URL has none of these forms, or an option cannot be honoured.
    """
    place = place_of(url)
    if place.kind == "grpc":
        from serverless_dnn.client.grpc_clients import GrpcClient

        return GrpcClient(place.target, model, options, secure=place.secure)
    from serverless_dnn.client import http_clients

    if place.kind == "rest":
        return http_clients.RestClient(place.base_url, model, options)
    kind = http_clients.LambdaClient if place.kind == "lambda" else http_clients.SageMakerClient
    return kind(place.target, model, options, base_url=place.base_url)


def connect_async(url: str, model: str | ModelAddress, options: ClientOptions | None = None) -> "AsyncClient":
    """Make the client for a URL and asyncio; can be called where no event loop runs, and takes what ``connect`` takes.

    Args:
        url: See ``connect``.
        model: The model, by name or in full.
        options: The options.

    Returns:
        A client; close it, or use it in an ``async with`` block.

    Raises:
        RequestError: The URL has none of these forms, or an option cannot be honoured.
    """
    place = place_of(url)
    if place.kind == "grpc":
        from serverless_dnn.client.grpc_clients import AsyncGrpcClient

        return AsyncGrpcClient(place.target, model, options, secure=place.secure)
    from serverless_dnn.client import http_clients

    if place.kind == "rest":
        return http_clients.AsyncRestClient(place.base_url, model, options)
    kind = http_clients.AsyncLambdaClient if place.kind == "lambda" else http_clients.AsyncSageMakerClient
    return kind(place.target, model, options, base_url=place.base_url)


@dataclass(frozen=True)
class Place:
    """What a URL means to ``connect``.

    Attributes:
        kind: Which client.
        target: gRPC's target, or the name of a function or endpoint.
        base_url: HTTP's; empty for AWS's own.
        secure: Whether a gRPC target has TLS.
    """

    kind: Kind
    target: str = ""
    base_url: str = ""
    secure: bool = False


def place_of(url: str) -> Place:
    """Read a URL.

    Args:
        url: See ``connect``.

    Returns:
        Which client it asks for, and of what.

    Raises:
        RequestError: The URL has none of the forms that ``connect`` takes.
    """
    scheme, _, rest = url.partition(":") if isinstance(url, str) else ("", "", "")
    if scheme == "unix" and rest.strip("/"):
        return Place("grpc", f"unix:{rest.removeprefix('//')}")
    if scheme in ("lambda", "sagemaker") and rest and not rest.startswith("/"):
        return Place(_kind(scheme), rest)
    place = _of_host(url) if rest.startswith("//") and not any(map(str.isspace, url)) else None
    if place is None:
        raise RequestError(f"expected {_FORMS}, got {url!r}")
    return place


def _of_host(url: str) -> Place | None:  # noqa: PLR0911 - a return for each form
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host, name = parts.netloc, parts.path.strip("/")
    if not parts.hostname or parts.query or parts.fragment or "@" in host or "/" in name:
        return None
    platform, _, transport = parts.scheme.rpartition("+")
    base_url = f"{transport}://{host}"
    match platform, transport:
        case "", "grpc" if port is not None and not name:
            return Place("grpc", host)
        case "", "grpcs" if not name:
            return _secure(host, port)
        case "", "https" if parts.hostname.endswith(_CLOUD_RUN) and not name:
            return _secure(host, port)
        case "", "http" | "https" if not name:
            return Place("rest", base_url=base_url)
        case "lambda", "http" | "https" if name:
            return Place("lambda", name, base_url)
        case "sagemaker", "http" | "https":
            return Place("sagemaker", name, base_url)
    return None


def _secure(host: str, port: int | None) -> Place:
    return Place("grpc", f"{host}:443" if port is None else host, secure=True)


def _kind(platform: str) -> Any:
    return "lambda" if platform == "lambda" else "sagemaker"
