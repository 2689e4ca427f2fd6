"""``PredictRequest`` and ``PredictResponse`` bytes: gRPC messages, and HTTP bodies of ``application/x-protobuf``."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serverless_dnn.protos import predict_wire
from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.predict_wire import EncodedTensor
from serverless_dnn.protos.tensor import TensorCodecError
from serverless_dnn.protos.v1 import model_spec_pb2, predict_pb2
from serverless_dnn.runtime.errors import InvalidArgumentError

# Checks names, types and shapes of inputs before arrays are made of them.
CheckInputs = Callable[[Mapping[str, EncodedTensor]], object]


def split_predict_request(
    body: bytes, budget: DecodeBudget
) -> tuple[predict_pb2.PredictRequest, dict[str, EncodedTensor]]:
    """Part a request into its inputs, which become arrays once their signature is known, and all else.

    Args:
        body: The message's bytes.
        budget: What the message may take.

    Returns:
        The message without its inputs, and its inputs by name.

    Raises:
        InvalidArgumentError: The bytes are not a PredictRequest, or one of too many fields.
    """
    try:
        return predict_wire.split_predict_request(body, budget)
    except DecodeError as error:
        raise InvalidArgumentError(f"the body is not a PredictRequest: {error}") from None
    except TensorCodecError as error:
        raise InvalidArgumentError(f"tensor parsing error: {error}") from None


def decode_inputs(
    tensors: Mapping[str, EncodedTensor], check: CheckInputs, budget: DecodeBudget
) -> dict[str, NDArray[Any]]:
    """Make arrays of a request's inputs.

    Args:
        tensors: The inputs.
        check: Raises if they do not fit the signature; called first.
        budget: What the message may take.

    Returns:
        Arrays by name, views of the body where they came as raw bytes.

    Raises:
        InvalidArgumentError: A tensor is not well formed, or too large.
        ServingError: What ``check`` raises.
    """
    try:
        check(tensors)
        return {name: tensor.decode(budget) for name, tensor in tensors.items()}
    except TensorCodecError as error:
        raise InvalidArgumentError(f"tensor parsing error: {error}") from None


def encode_predict_response(
    model_name: str, version: int, signature_name: str, outputs: Mapping[str, NDArray[Any]]
) -> bytes:
    """Encode an answer.

    Args:
        model_name: The model that ran.
        version: Its version.
        signature_name: The signature that ran.
        outputs: Arrays by output name.

    Returns:
        The bytes of a PredictResponse.
    """
    return predict_wire.add_outputs(_answer_without_outputs(model_name, version, signature_name), outputs)


def version_spec(model_name: str, version: int, signature_name: str) -> model_spec_pb2.ModelSpec:
    """Names a version in a response: its number is always set, a label never (TensorFlow Serving).

    Args:
        model_name: The model.
        version: Its version.
        signature_name: The signature that ran.

    Returns:
        The message.
    """
    spec = model_spec_pb2.ModelSpec(name=model_name, signature_name=signature_name)
    spec.version.value = version
    return spec


@lru_cache(maxsize=256)
def _answer_without_outputs(model_name: str, version: int, signature_name: str) -> bytes:
    spec = version_spec(model_name, version, signature_name)
    return predict_pb2.PredictResponse(model_spec=spec).SerializeToString()
