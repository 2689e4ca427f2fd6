"""A lightweight client for models on Lambda, SageMaker, Cloud Run, or any TensorFlow Serving.

>>> from serverless_dnn.client import connect
>>> with connect("grpc://127.0.0.1:8500", "mobilenet_v1") as client:
...     prediction = client.predict({"input": array})
...     prediction.outputs["predictions"], prediction.timing.total_ns

numpy arrays go in and come out; TensorFlow is never imported, and grpc or urllib3 only when a URL needs it. Nothing is
ever sent twice, unless the options ask for it.

    connect, connect_async      the client that a URL asks for
    Client, AsyncClient         what every client does: predict, encode, classify, regress, signatures, versions,
                                ready, wait_until_ready, with_options, close
    GrpcClient, RestClient, LambdaClient, SageMakerClient, and each with Async before its name
    ClientOptions               time-outs, tokens, TLS, retries, limits; RetryPolicy, TlsOptions, S3Storage
    ModelAddress                a model's name with version, label or signature
    Prediction                  outputs by name; Timing, ServerTiming, RawResponse
    EncodedRequest              a request encoded once and sent many times
    Signature, TensorSpec, VersionStatus, Classification, Class, Regression, Task, ModelConfig
    ClientError                 RequestError, ConnectError, DeadlineError, ResponseError, ServerError; StatusCode

``help(Client)`` and ``help(ClientOptions)`` say more. ``python -m serverless_dnn.client URL MODEL`` shows what a server
offers, and ``serverless_dnn.client.testing`` has a server in memory for tests.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serverless_dnn.client.async_client import AsyncClient
    from serverless_dnn.client.client import Client
    from serverless_dnn.client.connection import connect, connect_async
    from serverless_dnn.client.encoded import EncodedRequest
    from serverless_dnn.client.errors import (
        ClientError,
        ConnectError,
        DeadlineError,
        RequestError,
        ResponseError,
        ServerError,
        StatusCode,
    )
    from serverless_dnn.client.grpc_clients import AsyncGrpcClient, GrpcClient
    from serverless_dnn.client.http_clients import (
        AsyncLambdaClient,
        AsyncRestClient,
        AsyncSageMakerClient,
        LambdaClient,
        RestClient,
        SageMakerClient,
    )
    from serverless_dnn.client.model import ModelAddress
    from serverless_dnn.client.options import ClientOptions, RetryPolicy, S3Storage, TlsOptions
    from serverless_dnn.client.prediction import Prediction, RawResponse, ServerTiming, Timing
    from serverless_dnn.client.specs import (
        Class,
        Classification,
        ModelConfig,
        Regression,
        Signature,
        Task,
        TensorSpec,
        VersionStatus,
    )

    # For type checkers alone: help() would print each class with all that it inherits, 2,600 lines.
    __all__ = [
        "AsyncClient",
        "AsyncGrpcClient",
        "AsyncLambdaClient",
        "AsyncRestClient",
        "AsyncSageMakerClient",
        "Class",
        "Classification",
        "Client",
        "ClientError",
        "ClientOptions",
        "ConnectError",
        "DeadlineError",
        "EncodedRequest",
        "GrpcClient",
        "LambdaClient",
        "ModelAddress",
        "ModelConfig",
        "Prediction",
        "RawResponse",
        "Regression",
        "RequestError",
        "ResponseError",
        "RestClient",
        "RetryPolicy",
        "S3Storage",
        "SageMakerClient",
        "ServerError",
        "ServerTiming",
        "Signature",
        "StatusCode",
        "Task",
        "TensorSpec",
        "Timing",
        "TlsOptions",
        "VersionStatus",
        "connect",
        "connect_async",
    ]

__version__ = "0.1.0"
_MODULE_OF = {
    "AsyncClient": "async_client",
    "AsyncGrpcClient": "grpc_clients",
    "AsyncLambdaClient": "http_clients",
    "AsyncRestClient": "http_clients",
    "AsyncSageMakerClient": "http_clients",
    "Class": "specs",
    "Classification": "specs",
    "Client": "client",
    "ClientError": "errors",
    "ClientOptions": "options",
    "ConnectError": "errors",
    "DeadlineError": "errors",
    "EncodedRequest": "encoded",
    "GrpcClient": "grpc_clients",
    "LambdaClient": "http_clients",
    "ModelAddress": "model",
    "ModelConfig": "specs",
    "Prediction": "prediction",
    "RawResponse": "prediction",
    "Regression": "specs",
    "RequestError": "errors",
    "ResponseError": "errors",
    "RestClient": "http_clients",
    "RetryPolicy": "options",
    "S3Storage": "options",
    "SageMakerClient": "http_clients",
    "ServerError": "errors",
    "ServerTiming": "prediction",
    "Signature": "specs",
    "StatusCode": "errors",
    "Task": "specs",
    "TensorSpec": "specs",
    "Timing": "prediction",
    "TlsOptions": "options",
    "VersionStatus": "specs",
    "connect": "connection",
    "connect_async": "connection",
}


def __getattr__(name: str) -> Any:
    """Import what is public on first use, so that nobody pays for what they do not use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(_MODULE_OF)
