"""Encode and decode PredictRequest and PredictResponse bytes, with one copy per tensor out and none in.

Protobuf's Python objects copy a tensor's bytes four times when writing and twice when reading. Here the few bytes
around them are written and read by hand, and everything else is left to protobuf: anything that lacks the plain form
protobuf's own writers produce is parsed by protobuf (https://protobuf.dev/programming-guides/encoding/).
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import ArrayLike, NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.dtypes import data_type_of, numpy_dtype
from serverless_dnn.protos.tensor import (
    DEFAULT_MAX_BYTES,
    MAX_DIMENSIONS,
    TensorCodecError,
    decode_tensor,
    encode_tensor,
    tensor_shape,
)
from serverless_dnn.protos.v1 import model_spec_pb2, predict_pb2, tensor_pb2
from serverless_dnn.protos.wire_format import LENGTH_DELIMITED, Field, encode_key, encode_varint, walk_fields

_REQUEST_INPUTS, _RESPONSE_OUTPUTS = 2, 1
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_TENSOR_SHAPE, _TENSOR_CONTENT = 2, 4
# Fields of the types variant and resource, which have no array form.
_NEVER_READ = frozenset({14, 15})
# How much protobuf expands each encoded byte of a value list: a one-byte integer becomes four or eight bytes.
_EXPANSION = {7: 4, 13: 4, 16: 4, 10: 8, 17: 8}
# The rough overhead of a field in protobuf and Python besides its own bytes.
_FIELD_BYTES = 64
_MAX_FIELDS = 10_000
# Dimensions may have names.
_MAX_SHAPE_BYTES = 8192
_SMALL_BYTES = 1 << 16
# Enough for a tensor's type and shape; not counted.
_USUAL_BYTES = 1 << 10

_Piece = bytes | memoryview


def encode_predict_request(
    spec: model_spec_pb2.ModelSpec, inputs: Mapping[str, ArrayLike], output_filter: list[str]
) -> bytes:
    """Encode a request.

    Args:
        spec: The model, version and signature.
        inputs: Arrays by input name.
        output_filter: The requested outputs; empty means all.

    Returns:
        The bytes of a PredictRequest.

    Raises:
        TensorCodecError: An array has no tensor form; the message starts with the input's name.
    """
    rest = predict_pb2.PredictRequest(model_spec=spec, output_filter=output_filter)
    return _encode(rest.SerializeToString(), _REQUEST_INPUTS, inputs)


def encode_predict_response(spec: model_spec_pb2.ModelSpec, outputs: Mapping[str, ArrayLike]) -> bytes:
    """Encode a response.

    Args:
        spec: The model, version and signature that ran.
        outputs: Arrays by output name.

    Returns:
        The bytes of a PredictResponse.

    Raises:
        TensorCodecError: An array has no tensor form; the message starts with the output's name.
    """
    return add_outputs(predict_pb2.PredictResponse(model_spec=spec).SerializeToString(), outputs)


def add_outputs(response: bytes, outputs: Mapping[str, ArrayLike]) -> bytes:
    """Add outputs to a response without any, which can be shared by many responses.

    Args:
        response: The bytes of a PredictResponse.
        outputs: Arrays by output name.

    Returns:
        The bytes of a PredictResponse.

    Raises:
        TensorCodecError: An array has no tensor form; the message starts with the output's name.
    """
    return _encode(response, _RESPONSE_OUTPUTS, outputs)


class EncodedTensor(NamedTuple):
    """A message's tensor, not yet decoded into an array.

    Attributes:
        name: The input or output it is for.
        proto: The message, without its raw bytes.
        content: Its raw bytes, as a view of the body; ``None`` if there are none.
    """

    name: str
    proto: tensor_pb2.TensorProto
    content: memoryview | None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's type.

        Raises:
            TensorCodecError: The type has no numpy equivalent.
        """
        try:
            return numpy_dtype(self.proto.dtype)
        except TensorCodecError as error:
            raise TensorCodecError(f"{self.name}: {error}") from None

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape.

        Raises:
            TensorCodecError: There is none.
        """
        try:
            return tensor_shape(self.proto)
        except TensorCodecError as error:
            raise TensorCodecError(f"{self.name}: {error}") from None

    def decode(self, budget: DecodeBudget) -> NDArray[Any]:
        """Decode the array.

        Args:
            budget: The message's memory budget.

        Returns:
            The array, a view of the body if the tensor came as raw bytes.

        Raises:
            TensorCodecError: The tensor is malformed or too large; the message starts with its name.
        """
        try:
            return decode_tensor(self.proto, budget=budget, content=self.content)
        except TensorCodecError as error:
            raise TensorCodecError(f"{self.name}: {error}") from None


def split_predict_request(
    body: bytes, budget: DecodeBudget
) -> tuple[predict_pb2.PredictRequest, dict[str, EncodedTensor]]:
    """Split a request into its inputs and the rest, without creating arrays.

    Args:
        body: The bytes.
        budget: The message's memory budget, charged for its fields.

    Returns:
        The message without its inputs, and its inputs by name.

    Raises:
        DecodeError: The bytes are not a PredictRequest.
        TensorCodecError: The fields exceed the budget.
    """
    rest, tensors = _split(body, predict_pb2.PredictRequest, _REQUEST_INPUTS, budget)
    return rest, tensors


def decode_predict_request(
    body: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[predict_pb2.PredictRequest, dict[str, NDArray[Any]]]:
    """Decode a request.

    Args:
        body: The bytes.
        max_bytes: The maximum total size of its arrays.

    Returns:
        The message without its inputs, and its inputs as arrays, as views of ``body`` for raw inputs.

    Raises:
        DecodeError: The bytes are not a PredictRequest.
        TensorCodecError: A tensor is malformed; the message starts with the input's name.
    """
    budget = DecodeBudget(max_bytes)
    rest, tensors = _split(body, predict_pb2.PredictRequest, _REQUEST_INPUTS, budget)
    return rest, {name: tensor.decode(budget) for name, tensor in tensors.items()}


def decode_predict_response(
    body: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[predict_pb2.PredictResponse, dict[str, NDArray[Any]]]:
    """Decode a response; see ``decode_predict_request``."""
    budget = DecodeBudget(max_bytes)
    rest, tensors = _split(body, predict_pb2.PredictResponse, _RESPONSE_OUTPUTS, budget)
    return rest, {name: tensor.decode(budget) for name, tensor in tensors.items()}


def _encode(rest: bytes, field: int, arrays: Mapping[str, ArrayLike]) -> bytes:
    pieces: list[_Piece] = []
    for name, given in arrays.items():
        array = np.asarray(given)
        try:
            if array.nbytes and array.dtype.kind not in "OSU" and array.dtype.byteorder != ">":
                # As plain bytes: the buffer protocol does not support bfloat16.
                content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
                pieces += (_head_before_content(field, name, array.dtype, array.shape), content)
            else:
                tensor = encode_tensor(array).SerializeToString()
                pieces += (_entry_head(field, name, len(tensor)), tensor)
        except TensorCodecError as error:
            raise TensorCodecError(f"{name}: {error}") from None
    pieces.append(rest)
    return b"".join(pieces)


# A server's responses, or an app's requests, rarely differ in anything but their numbers.
@lru_cache(maxsize=256)
def _head_before_content(field: int, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """All bytes of a tensor's map entry that precede its content."""
    dims = tensor_pb2.TensorShapeProto(dim=[tensor_pb2.TensorShapeProto.Dim(size=size) for size in shape])
    data_type = tensor_pb2.DataType.ValueType(data_type_of(dtype))
    head = tensor_pb2.TensorProto(dtype=data_type, tensor_shape=dims).SerializeToString()
    size = math.prod(shape) * dtype.itemsize
    head += encode_key(_TENSOR_CONTENT) + encode_varint(size)
    return _entry_head(field, name, len(head) + size) + head


def _entry_head(field: int, name: str, size: int) -> bytes:
    """The bytes of a map entry before its value, which is a message of ``size`` bytes."""
    key = name.encode()
    head = b"".join(
        (encode_key(_ENTRY_KEY), encode_varint(len(key)), key, encode_key(_ENTRY_VALUE), encode_varint(size))
    )
    return encode_key(field) + encode_varint(len(head) + size) + head


def _split(body: bytes, kind: Any, number: int, budget: DecodeBudget) -> tuple[Any, dict[str, EncodedTensor]]:
    rest: list[_Piece] = []
    tensors: dict[str, EncodedTensor] = {}
    view = memoryview(body)
    try:
        for count, field in enumerate(walk_fields(view, 0, len(view))):
            _check_count(count)
            if field.number == number and field.wire_type == LENGTH_DELIMITED:
                name, tensor = _read_entry(view, field, budget)
                tensors[name] = EncodedTensor(name, *_split_content(tensor, name, budget))
            else:
                rest.append(view[field.begin : field.end])
    except TensorCodecError:
        raise
    except ValueError as error:
        if len(body) > _SMALL_BYTES:
            raise DecodeError(str(error)) from None
        # Anything but a plain list of fields, such as a group, is left to protobuf, which may accept it.
        return _split_by_protobuf(body, kind, number)
    return kind.FromString(b"".join(rest)), tensors


def _check_count(count: int) -> None:
    if count >= _MAX_FIELDS:
        raise TensorCodecError(f"a message must not have more than {_MAX_FIELDS} fields")


def _split_by_protobuf(body: bytes, kind: Any, number: int) -> tuple[Any, dict[str, EncodedTensor]]:
    message = kind.FromString(body)
    field = "inputs" if number == _REQUEST_INPUTS else "outputs"
    tensors = {name: EncodedTensor(name, tensor, None) for name, tensor in getattr(message, field).items()}
    message = kind.FromString(body)
    message.ClearField(field)
    return message, tensors


def _read_entry(view: memoryview, entry: Field, budget: DecodeBudget) -> tuple[str, memoryview]:
    """Name and bytes of a map entry; the last of repeated names wins, and repeated messages are merged."""
    name, values = "", list[memoryview]()
    for part in walk_fields(view, entry.value, entry.end):
        if part.wire_type != LENGTH_DELIMITED:
            continue
        if part.number == _ENTRY_KEY:
            name = str(view[part.value : part.end], "utf-8")
        elif part.number == _ENTRY_VALUE:
            _check_count(len(values))
            values.append(view[part.value : part.end])
    if len(values) == 1:
        return name, values[0]
    merged = b"".join(values)
    budget.spend(len(merged), "a tensor in pieces")
    return name, memoryview(merged)


def _split_content(tensor: memoryview, name: str, budget: DecodeBudget) -> tuple[Any, memoryview | None]:
    """Split a tensor into its raw bytes and the rest, which is parsed once its cost is known."""
    content = None
    head: list[memoryview] = []
    size_bytes = 0
    for field in walk_fields(tensor, 0, len(tensor)):
        if field.wire_type == LENGTH_DELIMITED and field.number == _TENSOR_CONTENT:
            content = tensor[field.value : field.end]
        elif field.number not in _NEVER_READ:
            head.append(tensor[field.begin : field.end])
            if field.number == _TENSOR_SHAPE and field.end - field.value > _MAX_SHAPE_BYTES:
                raise TensorCodecError(f"{name}: a tensor must not have more than {MAX_DIMENSIONS} dimensions")
            size_bytes += _FIELD_BYTES + _EXPANSION.get(field.number, 1) * (field.end - field.value)
            if size_bytes - _USUAL_BYTES > budget.left_bytes:
                break
    budget.spend(max(0, size_bytes - _USUAL_BYTES), f"{name}: a list of values")
    return tensor_pb2.TensorProto.FromString(b"".join(head)), content
