"""``PredictRequest`` and ``PredictResponse`` bytes: gRPC messages, and HTTP bodies of ``application/x-protobuf``."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serverless_dnn.protos import predict_wire
from serverless_dnn.protos.tensor import TensorCodecError
from serverless_dnn.protos.v1 import predict_pb2
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.model_info import servable_spec
from serverless_dnn.runtime.servable import Servable
from serverless_dnn.runtime.signature import Signature

CONTENT_TYPE = "application/x-protobuf"


def decode_predict_request(
    body: bytes, *, max_bytes: int
) -> tuple[predict_pb2.PredictRequest, dict[str, NDArray[Any]]]:
    """Decode a request.

    Args:
        body: The message's bytes.
        max_bytes: The largest array to make, in bytes.

    Returns:
        The message without its inputs, and its inputs as arrays, views of the body where they came as raw bytes.

    Raises:
        InvalidArgumentError: The bytes are not a PredictRequest, or a tensor is not well formed.
    """
    try:
        return predict_wire.decode_predict_request(body, max_bytes=max_bytes)
    except DecodeError as error:
        raise InvalidArgumentError(f"the body is not a PredictRequest: {error}") from None
    except TensorCodecError as error:
        raise InvalidArgumentError(f"tensor parsing error: {error}") from None


def encode_predict_response(servable: Servable, signature: Signature, outputs: Mapping[str, NDArray[Any]]) -> bytes:
    """Encode an answer.

    Args:
        servable: The model that ran.
        signature: The signature that ran.
        outputs: Arrays by output name.

    Returns:
        The bytes of a PredictResponse.
    """
    return predict_wire.encode_predict_response(servable_spec(servable, signature.name), outputs)
