"""``PredictRequest`` and ``PredictResponse`` bytes: gRPC messages, and HTTP bodies of ``application/x-protobuf``."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serverless_dnn.protos.tensor import TensorCodecError, decode_tensor, encode_tensor
from serverless_dnn.protos.v1 import predict_pb2
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.model_info import servable_spec
from serverless_dnn.runtime.repository import Servable
from serverless_dnn.runtime.signature import Signature

CONTENT_TYPE = "application/x-protobuf"


def decode_predict_request(body: bytes) -> predict_pb2.PredictRequest:
    """Parse a request; its tensors are decoded apart.

    Args:
        body: The message's bytes.

    Returns:
        The message.

    Raises:
        InvalidArgumentError: The bytes are not a PredictRequest.
    """
    try:
        return predict_pb2.PredictRequest.FromString(body)
    except DecodeError as error:
        raise InvalidArgumentError(f"the body is not a PredictRequest: {error}") from None


def decode_inputs(request: predict_pb2.PredictRequest, *, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Decode a request's tensors.

    Args:
        request: The message.
        max_bytes: The largest array to make, in bytes.

    Returns:
        Arrays by input name; views of the message's bytes where they came as ``tensor_content``.

    Raises:
        InvalidArgumentError: A tensor is not well formed.
    """
    arrays = {}
    for alias, tensor in request.inputs.items():
        try:
            arrays[alias] = decode_tensor(tensor, max_bytes=max_bytes)
        except TensorCodecError as error:
            raise InvalidArgumentError(f"tensor parsing error: {alias}: {error}") from None
    return arrays


def encode_predict_response(servable: Servable, signature: Signature, outputs: Mapping[str, NDArray[Any]]) -> bytes:
    """Encode an answer.

    Args:
        servable: The model that ran.
        signature: The signature that ran.
        outputs: Arrays by output name.

    Returns:
        The bytes of a PredictResponse.
    """
    response = predict_pb2.PredictResponse(
        outputs={alias: encode_tensor(array) for alias, array in outputs.items()},
        model_spec=servable_spec(servable, signature.name),
    )
    return response.SerializeToString()
