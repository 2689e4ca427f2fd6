"""Make the client that matches a URL's protocol."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from serverless_dnn.client.errors import RequestError
from serverless_dnn.client.messages import ModelAddress
from serverless_dnn.client.prediction import Client

if TYPE_CHECKING:
    from serverless_dnn.client.rest_clients import HttpOptions

_FORMS = (
    "grpc://HOST:PORT, grpcs://HOST, http(s)://HOST:PORT, lambda+http(s)://HOST:PORT/FUNCTION "
    "or sagemaker+http(s)://HOST:PORT/ENDPOINT"
)


def connect(url: str, model: str | ModelAddress, options: "HttpOptions | None" = None) -> Client:
    """Make the client for a URL; nothing is sent before the first call.

    Args:
        url: ``grpc://host:port`` or, with TLS, ``grpcs://host[:port]`` (Cloud Run, any TensorFlow Serving);
            ``http(s)://host:port`` (TensorFlow Serving's REST API, a Lambda function's URL);
            ``lambda+http(s)://host:port/FUNCTION`` (Lambda's Invoke API);
            ``sagemaker+http(s)://host:port/ENDPOINT`` (SageMaker's InvokeEndpoint).
        model: The model, by name or in full.
        options: The options of the HTTP clients.

    Returns:
        A client; close it, or use it in a ``with`` block.

    Raises:
        RequestError: The URL has none of these forms.
    """
    parts = urlsplit(url)
    scheme, host, name = parts.scheme, parts.netloc, parts.path.strip("/")
    if not host or parts.query or parts.fragment:
        raise RequestError(f"expected {_FORMS}, got {url!r}")
    if scheme in ("grpc", "grpcs") and not name:
        from serverless_dnn.client.grpc_client import GrpcClient, GrpcOptions

        secure = scheme == "grpcs"
        target = f"{host}:443" if secure and parts.port is None else host
        return GrpcClient(target, model, GrpcOptions(secure=secure))
    from serverless_dnn.client.rest_clients import LambdaClient, RestClient, SageMakerClient

    platform, _, transport = scheme.rpartition("+")
    base_url = f"{transport}://{host}"
    if transport in ("http", "https"):
        if not platform and not name:
            return RestClient(base_url, model, options)
        if platform == "lambda" and name and "/" not in name:
            return LambdaClient(base_url, name, model, options)
        if platform == "sagemaker" and name and "/" not in name:
            return SageMakerClient(base_url, name, model, options)
    raise RequestError(f"expected {_FORMS}, got {url!r}")
