"""A program of a user with strict type checkers; it is checked, not run."""

# pyright: strict

from collections.abc import Mapping
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.client import (
    AsyncClient,
    Classification,
    Client,
    ClientError,
    ClientOptions,
    EncodedRequest,
    GrpcClient,
    ModelConfig,
    Prediction,
    Regression,
    RetryPolicy,
    ServerError,
    Signature,
    StatusCode,
    VersionStatus,
    connect,
    connect_async,
)
from serverless_dnn.client.testing import InMemoryServer


def with_threads(url: str) -> NDArray[Any]:
    """What a caller does."""
    options = ClientOptions(timeout_s=5, retries=RetryPolicy(attempts=2))
    with connect(url, "m", options) as client:
        assert_type(client, Client)
        assert_type(client.signatures(), dict[str, Signature])
        assert_type(client.versions(), list[VersionStatus])
        assert_type(client.ready(), bool)
        assert_type(client.classify([{"age": 39, "name": "a"}]), Classification)
        assert_type(client.regress([{"age": [39.0]}]), Regression)
        assert_type(client.with_options(timeout_s=1), Client)
        prediction = client.predict({"x": [1.0], "y": np.zeros(1, np.float32)}, version=1, outputs=["z"], timeout_s=1)
        assert_type(prediction, Prediction)
        assert_type(prediction.outputs, Mapping[str, NDArray[Any]])
        assert_type(prediction.timing.total_ns, int)
        assert_type(client.encode({"x": [1.0]}, version=1), EncodedRequest)
        assert_type(client.predict(client.encode({"x": [1.0]}), timeout_s=1), Prediction)
    try:
        client.wait_until_ready(1)
    except ServerError as error:
        assert_type(error.code, StatusCode)
    except ClientError as error:
        assert_type(error.code, StatusCode | None)
    return prediction.outputs["z"]


async def with_asyncio(url: str) -> Prediction:
    """The same with asyncio."""
    async with connect_async(url, "m") as client:
        assert_type(client, AsyncClient)
        assert_type(await client.signatures(), dict[str, Signature])
        await client.wait_until_ready(1)
        encoded = await client.encode({"x": 1})
        assert_type(encoded, EncodedRequest)
        return await client.predict(encoded)


def over_grpc(channel_target: str) -> list[Prediction]:
    """What only gRPC has."""
    with GrpcClient(channel_target, "m") as client:
        client.reload_config([ModelConfig("m", "/m", versions=(1, 2))])
        return list(client.predict_stream([{"x": [1]}, client.encode({"x": [2]})]))


def in_tests() -> Client:
    """A server in memory."""
    server = InMemoryServer()
    server.serve("m", lambda inputs: {"y": inputs["x"]}, inputs={"x": ("float32", [None])})
    return server.client("m")
