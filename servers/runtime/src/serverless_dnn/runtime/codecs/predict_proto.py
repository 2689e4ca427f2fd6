"""``PredictRequest`` and ``PredictResponse`` bytes: gRPC messages, and HTTP bodies of ``application/x-protobuf``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from serverless_dnn.protos import predict_wire
from serverless_dnn.protos.tensor import TensorCodecError
from serverless_dnn.protos.v1 import model_spec_pb2, predict_pb2
from serverless_dnn.runtime.errors import InvalidArgumentError

CONTENT_TYPE = "application/x-protobuf"
# By the body's length and the largest array allowed. One a length: where two models' requests have the same, each
# parses and replaces the other's.
_TEMPLATES: "dict[tuple[int, int], _Template]" = {}
_MANY_TEMPLATES = 64
_MUCH_AROUND_BYTES = 4096


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
    template = _TEMPLATES.get((len(body), max_bytes))
    if template is not None and (arrays := template.read(body)) is not None:
        return template.request, arrays
    try:
        request, arrays = predict_wire.decode_predict_request(body, max_bytes=max_bytes)
    except DecodeError as error:
        raise InvalidArgumentError(f"the body is not a PredictRequest: {error}") from None
    except TensorCodecError as error:
        raise InvalidArgumentError(f"tensor parsing error: {error}") from None
    if (template := _Template.of(body, request, arrays)) is not None:
        if len(_TEMPLATES) >= _MANY_TEMPLATES:
            _TEMPLATES.clear()
        _TEMPLATES[len(body), max_bytes] = template
    return request, arrays


@dataclass(frozen=True)
class _Template:
    """A request that was decoded, for those that differ from it in their tensors' bytes alone, as an app's next does.

    Attributes:
        request: The message without its inputs, which nobody changes.
        fixed: All other bytes, by where they begin.
        tensors: Name, type, number of elements, first byte and shape of each input.
    """

    request: predict_pb2.PredictRequest
    fixed: tuple[tuple[int, bytes], ...]
    tensors: tuple[tuple[str, np.dtype[Any], int, int, tuple[int, ...]], ...]

    def read(self, body: bytes) -> dict[str, NDArray[Any]] | None:
        """The inputs of a body of the same length; ``None`` when it differs elsewhere too."""
        for begin, expected in self.fixed:
            if not body.startswith(expected, begin):
                return None
        return {
            name: np.frombuffer(body, dtype, size, begin).reshape(shape)
            for name, dtype, size, begin, shape in self.tensors
        }

    @classmethod
    def of(
        cls, body: bytes, request: predict_pb2.PredictRequest, arrays: Mapping[str, NDArray[Any]]
    ) -> "_Template | None":
        """The template of a decoded body; ``None`` when an input is no view of it, or much lies around the inputs."""
        if not arrays:
            return None
        first = _address(np.frombuffer(body, np.uint8))
        tensors = [
            (name, array.dtype, array.size, _address(array) - first, array.shape) for name, array in arrays.items()
        ]
        fixed, end = [], 0
        for _, dtype, size, begin, _ in sorted(tensors, key=lambda tensor: tensor[3]):
            if not size or not end <= begin <= len(body):
                return None
            fixed.append((end, body[end:begin]))
            end = begin + size * dtype.itemsize
        fixed.append((end, body[end:]))
        if sum(len(around) for _, around in fixed) > _MUCH_AROUND_BYTES:
            return None
        return cls(request, tuple(fixed), tuple(tensors))


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


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
    answer = _answer_without_outputs(model_name, version, signature_name)
    return predict_wire.add_outputs(answer, outputs)


@lru_cache(maxsize=256)
def _answer_without_outputs(model_name: str, version: int, signature_name: str) -> bytes:
    spec = version_spec(model_name, version, signature_name)
    return predict_pb2.PredictResponse(model_spec=spec).SerializeToString()


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
