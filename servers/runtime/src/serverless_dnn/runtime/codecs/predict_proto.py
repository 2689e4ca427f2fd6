"""``PredictRequest`` and ``PredictResponse`` bytes: gRPC messages and ``application/x-protobuf`` HTTP bodies."""

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

# Checks names, types and shapes of inputs before they are decoded into arrays.
CheckInputs = Callable[[Mapping[str, EncodedTensor]], object]


def split_predict_request(
    body: bytes, budget: DecodeBudget
) -> tuple[predict_pb2.PredictRequest, dict[str, EncodedTensor]]:
    """Split a request into its inputs, which are decoded once their signature is known, and the rest.

    Args:
        body: The message's bytes.
        budget: The request's memory budget.

    Returns:
        The message without its inputs, and its inputs by name.

    Raises:
        InvalidArgumentError: The bytes are not a PredictRequest, or have too many fields.
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
    """Decode a request's inputs into arrays.

    Args:
        tensors: The inputs.
        check: Raises if they do not match the signature; called first.
        budget: The request's memory budget.

    Returns:
        Arrays by name, as views of the body for raw inputs.

    Raises:
        InvalidArgumentError: A tensor is malformed or too large.
        ServingError: Raised by ``check``.
    """
    try:
        check(tensors)
        return {name: tensor.decode(budget) for name, tensor in tensors.items()}
    except TensorCodecError as error:
        raise InvalidArgumentError(f"tensor parsing error: {error}") from None


def encode_predict_response(
    model_name: str, version: int, signature_name: str, outputs: Mapping[str, NDArray[Any]]
) -> bytes:
    """Encode a response.

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
    """The ModelSpec for a response: the version number is always set, a label never (as in TensorFlow Serving).

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
