"""A lightweight client for models on Lambda, SageMaker, Cloud Run, or any TensorFlow Serving.

>>> from serverless_dnn.client import connect
>>> with connect("grpc://127.0.0.1:8500", model="mobilenet_v1") as client:
...     prediction = client.predict({"input": array})

numpy arrays go in and come out; TensorFlow is never imported, and grpc or urllib3 only when a URL needs it. Nothing
is ever sent twice: whether to retry is the caller's decision.
"""

from typing import TYPE_CHECKING, Any

from serverless_dnn.client.errors import (
    ClientError,
    ConnectError,
    DeadlineError,
    RequestError,
    ResponseError,
    ServerError,
    StatusCode,
)
from serverless_dnn.client.prediction import Client, Prediction, ServerTiming, Timing

if TYPE_CHECKING:
    from serverless_dnn.client.connection import connect
    from serverless_dnn.client.grpc_aio import AsyncGrpcClient
    from serverless_dnn.client.grpc_client import GrpcClient, GrpcOptions
    from serverless_dnn.client.messages import ModelAddress
    from serverless_dnn.client.rest_clients import HttpOptions, LambdaClient, RestClient, SageMakerClient

__version__ = "0.1.0"
__all__ = [
    "AsyncGrpcClient",
    "Client",
    "ClientError",
    "ConnectError",
    "DeadlineError",
    "GrpcClient",
    "GrpcOptions",
    "HttpOptions",
    "LambdaClient",
    "ModelAddress",
    "Prediction",
    "RequestError",
    "ResponseError",
    "RestClient",
    "SageMakerClient",
    "ServerError",
    "ServerTiming",
    "StatusCode",
    "Timing",
    "connect",
]

_LAZY = {
    "connect": "connection",
    "AsyncGrpcClient": "grpc_aio",
    "GrpcClient": "grpc_client",
    "GrpcOptions": "grpc_client",
    "HttpOptions": "rest_clients",
    "ModelAddress": "messages",
    "LambdaClient": "rest_clients",
    "RestClient": "rest_clients",
    "SageMakerClient": "rest_clients",
}


def __getattr__(name: str) -> Any:
    """Import a client on first use, so that a REST user never pays for grpc."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
