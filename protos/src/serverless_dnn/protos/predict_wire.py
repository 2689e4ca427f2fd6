"""PredictRequest and PredictResponse bytes with one copy of each tensor on the way out and none on the way in.

Through protobuf's Python objects a tensor's bytes are copied four times to be written and twice to be read. Here the
few bytes around them are written and read by hand, and everything else is left to protobuf: what does not have the
plain form that protobuf's own writers give is parsed by protobuf (https://protobuf.dev/programming-guides/encoding/).
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import ArrayLike, NDArray

from serverless_dnn.protos.dtypes import data_type_of
from serverless_dnn.protos.tensor import DEFAULT_MAX_BYTES, TensorCodecError, decode_tensor, encode_tensor
from serverless_dnn.protos.v1 import model_spec_pb2, predict_pb2, tensor_pb2
from serverless_dnn.protos.wire_format import LENGTH_DELIMITED, encode_key, encode_varint, walk_fields

_REQUEST_INPUTS, _RESPONSE_OUTPUTS = 2, 1
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_ENTRY = [(_ENTRY_KEY, LENGTH_DELIMITED), (_ENTRY_VALUE, LENGTH_DELIMITED)]
_TENSOR_CONTENT = 4

_Piece = bytes | memoryview


def encode_predict_request(
    spec: model_spec_pb2.ModelSpec, inputs: Mapping[str, ArrayLike], output_filter: list[str]
) -> bytes:
    """Encode a request.

    Args:
        spec: The model, version and signature.
        inputs: Arrays by input name.
        output_filter: The outputs wanted; empty means all.

    Returns:
        The bytes of a PredictRequest.

    Raises:
        TensorCodecError: An array has no tensor form; the text starts with the input's name.
    """
    rest = predict_pb2.PredictRequest(model_spec=spec, output_filter=output_filter)
    return _encode(rest.SerializeToString(), _REQUEST_INPUTS, inputs)


def encode_predict_response(spec: model_spec_pb2.ModelSpec, outputs: Mapping[str, ArrayLike]) -> bytes:
    """Encode an answer.

    Args:
        spec: The model, version and signature that ran.
        outputs: Arrays by output name.

    Returns:
        The bytes of a PredictResponse.

    Raises:
        TensorCodecError: An array has no tensor form; the text starts with the output's name.
    """
    return add_outputs(predict_pb2.PredictResponse(model_spec=spec).SerializeToString(), outputs)


def add_outputs(response: bytes, outputs: Mapping[str, ArrayLike]) -> bytes:
    """Add outputs to an answer without any, which is the same for many answers.

    Args:
        response: The bytes of a PredictResponse.
        outputs: Arrays by output name.

    Returns:
        The bytes of a PredictResponse.

    Raises:
        TensorCodecError: An array has no tensor form; the text starts with the output's name.
    """
    return _encode(response, _RESPONSE_OUTPUTS, outputs)


def decode_predict_request(
    body: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[predict_pb2.PredictRequest, dict[str, NDArray[Any]]]:
    """Decode a request.

    Args:
        body: The bytes.
        max_bytes: The largest array to make.

    Returns:
        The message without its inputs, and its inputs as arrays, views of ``body`` where they came as raw bytes.

    Raises:
        DecodeError: The bytes are no PredictRequest.
        TensorCodecError: A tensor is not well formed; the text starts with the input's name.
    """
    rest, arrays = _decode(body, predict_pb2.PredictRequest, _REQUEST_INPUTS, max_bytes)
    return rest, arrays


def decode_predict_response(
    body: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[predict_pb2.PredictResponse, dict[str, NDArray[Any]]]:
    """Decode an answer; see ``decode_predict_request``."""
    rest, arrays = _decode(body, predict_pb2.PredictResponse, _RESPONSE_OUTPUTS, max_bytes)
    return rest, arrays


def _encode(rest: bytes, field: int, arrays: Mapping[str, ArrayLike]) -> bytes:
    pieces: list[_Piece] = []
    for name, given in arrays.items():
        array = np.asarray(given)
        try:
            if array.nbytes and array.dtype.kind not in "OSU" and array.dtype.byteorder != ">":
                # As plain bytes: the buffer protocol does not know bfloat16.
                content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
                pieces += (_head_before_content(field, name, array.dtype, array.shape), content)
            else:
                tensor = encode_tensor(array).SerializeToString()
                pieces += (_entry_head(field, name, len(tensor)), tensor)
        except TensorCodecError as error:
            raise TensorCodecError(f"{name}: {error}") from None
    pieces.append(rest)
    return b"".join(pieces)


# A server's answers, and an app's requests, differ in their numbers and seldom in anything else.
@lru_cache(maxsize=256)
def _head_before_content(field: int, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """All bytes of a tensor's entry that come before the tensor's own."""
    dims = tensor_pb2.TensorShapeProto(dim=[tensor_pb2.TensorShapeProto.Dim(size=size) for size in shape])
    data_type = tensor_pb2.DataType.ValueType(data_type_of(dtype))
    head = tensor_pb2.TensorProto(dtype=data_type, tensor_shape=dims).SerializeToString()
    size = math.prod(shape) * dtype.itemsize
    head += encode_key(_TENSOR_CONTENT) + encode_varint(size)
    return _entry_head(field, name, len(head) + size) + head


def _entry_head(field: int, name: str, size: int) -> bytes:
    """The bytes of a map's entry before its value, which is a message of ``size`` bytes."""
    key = name.encode()
    head = b"".join(
        (encode_key(_ENTRY_KEY), encode_varint(len(key)), key, encode_key(_ENTRY_VALUE), encode_varint(size))
    )
    return encode_key(field) + encode_varint(len(head) + size) + head


def _decode(body: bytes, kind: Any, field: int, max_bytes: int) -> tuple[Any, dict[str, NDArray[Any]]]:
    split = _split_entries(body, field)
    if split is None:
        message = kind.FromString(body)
        tensors = message.inputs if field == _REQUEST_INPUTS else message.outputs
        arrays = {name: _named(name, tensor, None, max_bytes) for name, tensor in tensors.items()}
        message.ClearField("inputs" if field == _REQUEST_INPUTS else "outputs")
        return message, arrays
    rest, entries = split
    message = kind.FromString(rest)
    return message, {name: _named(name, tensor, content, max_bytes) for name, (tensor, content) in entries.items()}


def _named(name: str, tensor: tensor_pb2.TensorProto, content: memoryview | None, max_bytes: int) -> NDArray[Any]:
    try:
        return decode_tensor(tensor, max_bytes=max_bytes, content=content)
    except TensorCodecError as error:
        raise TensorCodecError(f"{name}: {error}") from None


def _split_entries(body: bytes, number: int) -> tuple[bytes, dict[str, tuple[Any, memoryview | None]]] | None:
    """Part a message into its tensors and the rest; ``None`` for a form that is left to protobuf."""
    rest: list[_Piece] = []
    entries: dict[str, tuple[Any, memoryview | None]] = {}
    view = memoryview(body)
    try:
        for field in walk_fields(view, 0, len(view)):
            if field.number != number:
                rest.append(view[field.begin : field.end])
                continue
            parts = list(walk_fields(view, field.value, field.end)) if field.wire_type == LENGTH_DELIMITED else []
            if [(part.number, part.wire_type) for part in parts] != _ENTRY:
                return None
            key, value = parts
            name = str(view[key.value : key.end], "utf-8")
            if name in entries:
                return None
            entries[name] = _split_content(view[value.value : value.end])
        return b"".join(rest), entries
    except (ValueError, DecodeError):
        return None


def _split_content(tensor: memoryview) -> tuple[Any, memoryview | None]:
    content = None
    head: list[memoryview] = []
    for field in walk_fields(tensor, 0, len(tensor)):
        if field.number != _TENSOR_CONTENT:
            head.append(tensor[field.begin : field.end])
        elif content is not None or field.wire_type != LENGTH_DELIMITED:
            raise ValueError("raw bytes given twice, or not as bytes")
        else:
            content = tensor[field.value : field.end]
    return tensor_pb2.TensorProto.FromString(b"".join(head)), content
