"""PredictRequest and PredictResponse messages, for gRPC and for protobuf bodies over HTTP."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError
from numpy.typing import ArrayLike, NDArray

from serverless_dnn.client.errors import RequestError, ResponseError
from serverless_dnn.client.inputs import as_array
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.protos.predict_wire import decode_predict_response, encode_predict_request
from serverless_dnn.protos.tensor import TensorCodecError
from serverless_dnn.protos.v1 import model_spec_pb2


def model_spec(address: ModelAddress) -> model_spec_pb2.ModelSpec:
    """An address as a message.

    Args:
        address: The model.
    """
    spec = model_spec_pb2.ModelSpec(name=address.name, signature_name=address.signature_name)
    if address.version is not None:
        spec.version.value = address.version
    elif address.label is not None:
        spec.version_label = address.label
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
        arrays = {name: as_array(given) for name, given in inputs.items()}
        return encode_predict_request(model_spec(address), arrays, list(address.output_filter))
    except (TensorCodecError, ValueError, TypeError, AttributeError) as error:
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
