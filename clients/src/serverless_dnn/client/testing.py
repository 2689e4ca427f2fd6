"""A server in memory, for tests of code that uses a client.

>>> from serverless_dnn.client.testing import InMemoryServer
>>> server = InMemoryServer()
>>> server.serve("double", lambda inputs: {"y": 2 * inputs["x"]}, inputs={"x": ("float32", [None])})
>>> server.client("double").predict({"x": [1, 2]}).outputs["y"]
array([2., 4.], dtype=float32)

Requests and responses are encoded and decoded as over a network, and inputs are checked, but nothing is listened on.
With pytest, ``pytest_plugins = ["serverless_dnn.client.pytest_plugin"]`` in ``conftest.py`` gives the fixture
``model_server``.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from serverless_dnn.client.async_client import AsyncClient
from serverless_dnn.client.client import Client
from serverless_dnn.client.errors import ClientError, StatusCode, server_error
from serverless_dnn.client.flows import Flows
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.options import ClientOptions
from serverless_dnn.client.wire.exchange import Request, Response
from serverless_dnn.client.wire.grpc_api import GrpcApi
from serverless_dnn.protos.dtypes import data_type_of
from serverless_dnn.protos.predict_wire import decode_predict_request, encode_predict_response
from serverless_dnn.protos.v1 import model_metadata_pb2, model_status_pb2, signature_pb2

Function = Callable[[dict[str, NDArray[Any]]], Mapping[str, ArrayLike]]
Tensors = Mapping[str, tuple[DTypeLike, Sequence[int | None]]]
_AVAILABLE = model_status_pb2.ModelVersionStatus.AVAILABLE


@dataclass(frozen=True)
class _Served:
    function: Function
    signature: signature_pb2.SignatureDef | None
    version: int


class InMemoryServer:
    """Serves Python functions as models.

    Attributes:
        calls: The name of the model and the inputs of each prediction, in order.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, NDArray[Any]]]] = []
        self._models: dict[str, _Served] = {}
        self._errors: list[ClientError] = []

    def serve(
        self,
        name: str,
        function: Function,
        *,
        inputs: Tensors | None = None,
        outputs: Tensors | None = None,
        version: int = 1,
    ) -> None:
        """Serve a function.

        Args:
            name: The model's name.
            function: Takes arrays by input name, and returns arrays by output name.
            inputs: Type and shape by input name, such as ``{"x": ("float32", [None, 2])}``; without, inputs are not
                checked.
            outputs: The same of outputs.
            version: The model's version.
        """
        signature = None
        if inputs is not None:
            signature = signature_pb2.SignatureDef(method_name="tensorflow/serving/predict")
            for described, tensors in ((signature.inputs, inputs), (signature.outputs, outputs or {})):
                for alias, (dtype, shape) in tensors.items():
                    info = described[alias]
                    info.name, info.dtype = f"{alias}:0", data_type_of(np.dtype(dtype))  # type: ignore[assignment]
                    for size in shape:
                        info.tensor_shape.dim.add(size=-1 if size is None else size)
        self._models[name] = _Served(function, signature, version)

    def fail_next(self, error: ClientError) -> None:
        """Answer the next prediction with an error; can be called several times.

        Args:
            error: Any ClientError.
        """
        self._errors.append(error)

    def client(self, model: str | ModelAddress, options: ClientOptions | None = None) -> Client:
        """Make a client of this server.

        Args:
            model: The model, by name or in full.
            options: The options.
        """
        return Client(_flows(model, options), _Transport(self))

    def async_client(self, model: str | ModelAddress, options: ClientOptions | None = None) -> AsyncClient:
        """Make a client of this server for asyncio; see ``client``."""
        return AsyncClient(_flows(model, options), _AsyncTransport(self))

    def answer(self, request: Request) -> Response:
        """Answer a request.

        Args:
            request: A request of gRPC's API.

        Raises:
            ClientError: What a client of a real server would raise.
        """
        match request.path.rpartition("/")[2]:
            case "Predict":
                return self._predict(request.body)
            case "GetModelMetadata":
                return self._describe(request.body)
            case "GetModelStatus":
                asked = model_status_pb2.GetModelStatusRequest.FromString(request.body)
                version = self._model(asked.model_spec.name).version
                status = model_status_pb2.GetModelStatusResponse()
                status.model_version_status.add(version=version, state=_AVAILABLE)
                return Response(status.SerializeToString(), {})
        raise server_error(StatusCode.UNIMPLEMENTED, f"a server in memory has no {request.path}")

    def _model(self, name: str) -> _Served:
        if name not in self._models:
            raise server_error(StatusCode.NOT_FOUND, f"no model {name}: there are {', '.join(self._models) or 'none'}")
        return self._models[name]

    def _predict(self, body: bytes) -> Response:
        request, inputs = decode_predict_request(body)
        served = self._model(request.model_spec.name)
        self.calls.append((request.model_spec.name, inputs))
        if self._errors:
            raise self._errors.pop(0)
        outputs = served.function(inputs)
        wanted = request.output_filter or outputs
        request.model_spec.version.value = served.version
        return Response(encode_predict_response(request.model_spec, {name: outputs[name] for name in wanted}), {})

    def _describe(self, body: bytes) -> Response:
        asked = model_metadata_pb2.GetModelMetadataRequest.FromString(body)
        served = self._model(asked.model_spec.name)
        if served.signature is None:
            raise server_error(StatusCode.UNIMPLEMENTED, "this model's inputs are not described")
        answer = model_metadata_pb2.GetModelMetadataResponse()
        signatures = signature_pb2.SignatureDefMap()
        signatures.signature_def["serving_default"].CopyFrom(served.signature)
        answer.metadata["signature_def"].Pack(signatures)
        return Response(answer.SerializeToString(), {})


class _Transport:
    def __init__(self, server: InMemoryServer) -> None:
        self._server = server

    def send(self, request: Request, _timeout_s: float, _options: ClientOptions) -> Response:
        """Answer at once."""
        return self._server.answer(request)

    def close(self) -> None:
        """There is nothing to close."""


class _AsyncTransport:
    def __init__(self, server: InMemoryServer) -> None:
        self._server = server

    async def send(self, request: Request, _timeout_s: float, _options: ClientOptions) -> Response:
        """Answer after others had their turn, as over a network."""
        await asyncio.sleep(0)
        return self._server.answer(request)

    async def close(self) -> None:
        """There is nothing to close."""


def _flows(model: str | ModelAddress, options: ClientOptions | None) -> Flows:
    return Flows(GrpcApi(), ModelAddress.of(model), options or ClientOptions(), "memory")
