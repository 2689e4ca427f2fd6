"""Encode and decode PredictRequest and PredictResponse bytes, with one copy per tensor out and none in.

Protobuf's Python objects copy a tensor's bytes four times when writing and twice when reading. Here the few bytes
around them are written and read by hand, and everything else is left to protobuf: anything that lacks the plain form
protobuf's own writers produce is parsed by protobuf (https://protobuf.dev/programming-guides/encoding/).
"""

import math
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from itertools import islice
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
_ENTRY = [(_ENTRY_KEY, LENGTH_DELIMITED), (_ENTRY_VALUE, LENGTH_DELIMITED)]
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
# Parts of messages up to this size are remembered, with what they say.
_REPEATED_BYTES = 256

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
    """A tensor of a message, before an array is made of it.

    Attributes:
        name: The input or output it is for.
        head: Its type and shape, and its values unless they came as raw bytes.
        content: Its raw bytes, in the body they came in; ``None`` when there are none.
    """

    name: str
    head: "_Head"
    content: memoryview | None

    @property
    def proto(self) -> tensor_pb2.TensorProto:
        """The message, without its raw bytes; shared among tensors, so not to be changed."""
        return self.head.proto

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's type.

        Raises:
            TensorCodecError: The type has no numpy equivalent.
        """
        try:
            return self.head.dtype
        except TensorCodecError as error:
            raise TensorCodecError(f"{self.name}: {error}") from None

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape.

        Raises:
            TensorCodecError: There is none.
        """
        try:
            return self.head.shape
        except TensorCodecError as error:
            raise TensorCodecError(f"{self.name}: {error}") from None

    def decode(self, budget: DecodeBudget) -> NDArray[Any]:
        """Make the array.

        Args:
            budget: The memory limit shared by all tensors of the message.

        Returns:
            The array, a view of the body if the tensor came as raw bytes.

        Raises:
            TensorCodecError: The tensor is malformed or too large; the message starts with its name.
        """
        try:
            return decode_tensor(self.head.proto, budget=budget, content=self.content)
        except TensorCodecError as error:
            raise TensorCodecError(f"{self.name}: {error}") from None


class _Head:
    """A tensor without its raw bytes; its type and shape are worked out once."""

    def __init__(self, proto: tensor_pb2.TensorProto) -> None:
        self.proto = proto

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        return numpy_dtype(self.proto.dtype)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tensor_shape(self.proto)


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
    return _split(body, _parse_request, _REQUEST_INPUTS, budget)


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
    rest, tensors = _split(body, predict_pb2.PredictRequest.FromString, _REQUEST_INPUTS, budget)
    return rest, {name: tensor.decode(budget) for name, tensor in tensors.items()}


def decode_predict_response(
    body: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[predict_pb2.PredictResponse, dict[str, NDArray[Any]]]:
    """Decode a response; see ``decode_predict_request``."""
    budget = DecodeBudget(max_bytes)
    rest, tensors = _split(body, predict_pb2.PredictResponse.FromString, _RESPONSE_OUTPUTS, budget)
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


def _split(
    body: bytes, parse: Callable[[bytes], Any], number: int, budget: DecodeBudget
) -> tuple[Any, dict[str, EncodedTensor]]:
    rest: list[_Piece] = []
    tensors: dict[str, EncodedTensor] = {}
    view = memoryview(body)
    try:
        for count, field in enumerate(walk_fields(view, 0, len(view))):
            if count >= _MAX_FIELDS:
                _refuse_fields()
            if field.number == number and field.wire_type == LENGTH_DELIMITED:
                name, tensor = _read_entry(view, field)
                tensors[name] = EncodedTensor(name, *_split_content(tensor, name, budget))
            else:
                rest.append(view[field.begin : field.end])
    except TensorCodecError:
        raise
    except ValueError as error:
        if len(body) > _SMALL_BYTES:
            raise DecodeError(str(error)) from None
        # What no writer writes is left to protobuf, which may accept it.
        return _split_by_protobuf(body, number)
    return parse(b"".join(rest)), tensors


def _refuse_fields() -> None:
    raise TensorCodecError(f"a message must not have more than {_MAX_FIELDS} fields")


def _split_by_protobuf(body: bytes, number: int) -> tuple[Any, dict[str, EncodedTensor]]:
    is_request = number == _REQUEST_INPUTS
    kind: Any = predict_pb2.PredictRequest if is_request else predict_pb2.PredictResponse
    field = "inputs" if is_request else "outputs"
    given = getattr(kind.FromString(body), field)
    tensors = {name: EncodedTensor(name, _Head(tensor), None) for name, tensor in given.items()}
    message = kind.FromString(body)
    message.ClearField(field)
    return message, tensors


def _parse_request(rest: bytes) -> predict_pb2.PredictRequest:
    return (
        _parse_repeated_request(rest) if len(rest) <= _REPEATED_BYTES else predict_pb2.PredictRequest.FromString(rest)
    )


# An app's requests differ in their numbers and seldom in anything else.
@lru_cache(maxsize=256)
def _parse_repeated_request(rest: bytes) -> predict_pb2.PredictRequest:
    return predict_pb2.PredictRequest.FromString(rest)


@lru_cache(maxsize=256)
def _parse_repeated_head(head: bytes) -> _Head:
    return _Head(tensor_pb2.TensorProto.FromString(head))


def _read_entry(view: memoryview, entry: Field) -> tuple[str, memoryview]:
    """Name and bytes of a map entry, which is its key and its value and nothing else."""
    parts = list(islice(walk_fields(view, entry.value, entry.end), len(_ENTRY) + 1))
    if [(part.number, part.wire_type) for part in parts] != _ENTRY:
        raise ValueError("an entry that is not a name and a tensor")
    key, value = parts
    return str(view[key.value : key.end], "utf-8"), view[value.value : value.end]


def _split_content(tensor: memoryview, name: str, budget: DecodeBudget) -> tuple[_Head, memoryview | None]:
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
    if size_bytes > _USUAL_BYTES:
        budget.spend(size_bytes - _USUAL_BYTES, f"{name}: a list of values")
    joined = b"".join(head)
    if content is not None and len(joined) <= _REPEATED_BYTES:
        return _parse_repeated_head(joined), content
    return _Head(tensor_pb2.TensorProto.FromString(joined)), content
