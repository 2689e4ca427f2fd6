"""Encode PredictRequest and decode PredictResponse messages, for gRPC and for protobuf bodies over HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from numpy.typing import ArrayLike, NDArray

from serverless_dnn.client.errors import RequestError, ResponseError
from serverless_dnn.protos.predict_wire import decode_predict_response, encode_predict_request
from serverless_dnn.protos.tensor import TensorCodecError
from serverless_dnn.protos.v1 import model_spec_pb2

MAX_RESPONSE_BYTES = 256 << 20
"""The largest response a client accepts by default; YOLOv5's is 8 MiB."""


@dataclass(frozen=True)
class ModelAddress:
    """Which of a server's models a client calls.

    Attributes:
        name: The model's name.
        version: Its version; ``None`` leaves the choice to the server.
        label: A label that refers to a version.
        signature_name: The signature; empty means ``serving_default``.
        output_filter: The requested outputs; empty means all.
    """

    name: str
    version: int | None = None
    label: str | None = None
    signature_name: str = ""
    output_filter: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Reject a version combined with a label."""
        if self.version is not None and self.label is not None:
            raise RequestError(f"give a version or a label, not both: got {self.version} and {self.label!r}")

    def spec(self) -> model_spec_pb2.ModelSpec:
        """The address as a message."""
        spec = model_spec_pb2.ModelSpec(name=self.name, signature_name=self.signature_name)
        if self.version is not None:
            spec.version.value = self.version
        elif self.label is not None:
            spec.version_label = self.label
        return spec


def encode_request(address: ModelAddress, inputs: Mapping[str, ArrayLike]) -> bytes:
    """Encode a Predict request.

    Args:
        address: The model.
        inputs: Arrays by input name.

    Returns:
        The bytes of a PredictRequest.

    Raises:
        RequestError: An array has no tensor form.
    """
    try:
        return encode_predict_request(address.spec(), inputs, list(address.output_filter))
    except TensorCodecError as error:
        raise RequestError(f"input {error}") from None


def decode_response(body: bytes) -> tuple[dict[str, NDArray[Any]], int | None]:
    """Decode a Predict response.

    Args:
        body: The bytes of a PredictResponse, with tensors in any form.

    Returns:
        Arrays by output name, and the version that answered.

    Raises:
        ResponseError: The bytes are not a PredictResponse, or one of its tensors is malformed.
    """
    try:
        response, outputs = decode_predict_response(body)
    except (DecodeError, TensorCodecError) as error:
        raise ResponseError(f"the answer is not a PredictResponse: {error}") from None
    version = response.model_spec.version.value if response.model_spec.HasField("version") else None
    return outputs, version
