"""The HTTP clients: TensorFlow Serving's REST API, Lambda and SageMaker.

They differ only in the URL and the envelope; the bodies are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from serverless_dnn.client.async_client import AsyncClient
from serverless_dnn.client.client import Client
from serverless_dnn.client.errors import RequestError
from serverless_dnn.client.flows import Flows
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.options import ClientOptions, Signer
from serverless_dnn.client.transports.http_pool import AsyncHttpTransport, HttpTransport
from serverless_dnn.client.wire.lambda_api import MAX_EVENT_BYTES, LambdaApi
from serverless_dnn.client.wire.rest_api import RestApi
from serverless_dnn.client.wire.sagemaker_api import SageMakerApi

_AWS_SUFFIXES = (".amazonaws.com", ".amazonaws.com.cn")
_FUNCTION_URL = ".on.aws"
_NOT_HONOURED_BY_AWS = ("token", "id_token", "allow_plaintext_token", "channel_options")


class RestClient(Client):
    """Calls one model over TensorFlow Serving's REST API, a Lambda function's URL included.

    Args:
        base_url: ``http(s)://host[:port]``.
        model: The model, by name or in full.
        options: The options.
    """

    def __init__(self, base_url: str, model: str | ModelAddress, options: ClientOptions | None = None) -> None:
        made = _rest(base_url, model, options)
        super().__init__(made.flows, HttpTransport(base_url, made.options, made.signer))


class AsyncRestClient(AsyncClient):
    """``RestClient`` for asyncio."""

    def __init__(self, base_url: str, model: str | ModelAddress, options: ClientOptions | None = None) -> None:
        made = _rest(base_url, model, options)
        super().__init__(made.flows, AsyncHttpTransport(base_url, made.options, made.signer))


class LambdaClient(Client):
    """Calls one model of a Lambda function over AWS's Invoke API.

    Args:
        function: The function's name or ARN.
        model: The model, by name or in full.
        options: The options.
        base_url: The API's URL, if it is not AWS's own.
    """

    def __init__(
        self, function: str, model: str | ModelAddress, options: ClientOptions | None = None, *, base_url: str = ""
    ) -> None:
        made = _lambda(function, model, options, base_url)
        super().__init__(made.flows, HttpTransport(made.base_url, made.options, made.signer))


class AsyncLambdaClient(AsyncClient):
    """``LambdaClient`` for asyncio."""

    def __init__(
        self, function: str, model: str | ModelAddress, options: ClientOptions | None = None, *, base_url: str = ""
    ) -> None:
        made = _lambda(function, model, options, base_url)
        super().__init__(made.flows, AsyncHttpTransport(made.base_url, made.options, made.signer))


class SageMakerClient(Client):
    """Calls one model of a SageMaker endpoint, or of a container on its own.

    Args:
        endpoint: The endpoint's name; empty for a container, which needs a ``base_url``.
        model: The model, by name or in full.
        options: The options.
        base_url: The API's or the container's URL, if it is not AWS's own.
    """

    def __init__(
        self, endpoint: str, model: str | ModelAddress, options: ClientOptions | None = None, *, base_url: str = ""
    ) -> None:
        made = _sagemaker(endpoint, model, options, base_url)
        super().__init__(made.flows, HttpTransport(made.base_url, made.options, made.signer))


class AsyncSageMakerClient(AsyncClient):
    """``SageMakerClient`` for asyncio."""

    def __init__(
        self, endpoint: str, model: str | ModelAddress, options: ClientOptions | None = None, *, base_url: str = ""
    ) -> None:
        made = _sagemaker(endpoint, model, options, base_url)
        super().__init__(made.flows, AsyncHttpTransport(made.base_url, made.options, made.signer))


@dataclass(frozen=True)
class _Made:
    """What a client is made of, with or without asyncio."""

    flows: Flows
    options: ClientOptions
    base_url: str
    signer: Signer | None


def _rest(base_url: str, model: str | ModelAddress, options: ClientOptions | None) -> _Made:
    options = options or ClientOptions()
    host = urlsplit(base_url).hostname or ""
    is_function = host.endswith(_FUNCTION_URL)
    wire = RestApi(options.output_name, _dtype(options))
    wire.max_request_bytes = MAX_EVENT_BYTES if is_function else None
    not_honoured = ["channel_options"] if is_function else ["channel_options", "storage"]
    if not is_function and not options.sign_requests:
        not_honoured += ["aws_region", "aws_profile"]
    if options.id_token:
        from serverless_dnn.client.credentials.google import with_id_token

        options = with_id_token(options, base_url)
    flows = Flows(wire, ModelAddress.of(model), options, base_url, base_url.startswith("https://"), not_honoured)
    signer = options.signer
    if options.sign_requests and signer is None:
        signer = _aws_signer("lambda", options, host)
    return _Made(flows, options, base_url, signer)


def _lambda(function: str, model: str | ModelAddress, options: ClientOptions | None, base_url: str) -> _Made:
    options = options or ClientOptions()
    wire = LambdaApi(function, options.output_name, _dtype(options))
    return _platform("lambda", wire, model, options, base_url)


def _sagemaker(endpoint: str, model: str | ModelAddress, options: ClientOptions | None, base_url: str) -> _Made:
    options = options or ClientOptions()
    if not endpoint and not base_url:
        raise RequestError("give the endpoint's name, or a container's base_url")
    wire = SageMakerApi(endpoint, options.output_name, _dtype(options))
    return _platform("sagemaker", wire, model, options, base_url)


def _platform(service: str, wire: RestApi, model: str | ModelAddress, options: ClientOptions, base_url: str) -> _Made:
    if not base_url:
        from serverless_dnn.client.credentials.aws import api_url

        base_url = api_url(service, options)
    host = urlsplit(base_url).hostname or ""
    signer = options.signer
    is_amazons = host.endswith(_AWS_SUFFIXES)
    if signer is None and (is_amazons if options.sign_requests is None else options.sign_requests):
        signer = _aws_signer(service, options, host)
    flows = Flows(wire, ModelAddress.of(model), options, base_url, not_honoured=_NOT_HONOURED_BY_AWS)
    return _Made(flows, options, base_url, signer)


def _aws_signer(service: str, options: ClientOptions, host: str) -> Signer:
    """A signer that looks for credentials when the first request is to be signed."""

    @cache
    def signer() -> Signer:
        from serverless_dnn.client.credentials.aws import region_of, sigv4_signer

        return sigv4_signer(service, region_of(host, options), profile=options.aws_profile)

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        return signer()(method, url, headers, body)

    return sign


def _dtype(options: ClientOptions) -> np.dtype[Any] | None:
    return None if options.output_dtype is None else np.dtype(options.output_dtype)
