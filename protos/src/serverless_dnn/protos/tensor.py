"""The codec between numpy arrays and ``TensorProto`` shared by clients and servers.

Numeric tensors are written as ``tensor_content``, the raw bytes. Reading accepts every form TensorFlow itself accepts:
raw bytes, the typed value lists, and lists shorter than the shape, whose last value fills the rest
(tensorflow/core/framework/tensor.proto and tensor.cc).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.dtypes import TensorCodecError, data_type_name, data_type_of, numpy_dtype, value_field
from serverless_dnn.protos.v1 import tensor_pb2

__all__ = [
    "DEFAULT_MAX_BYTES",
    "MAX_DIMENSIONS",
    "STRING_BYTES",
    "TensorCodecError",
    "checked_size",
    "decode_tensor",
    "encode_tensor",
    "from_numbers",
    "tensor_shape",
]

DEFAULT_MAX_BYTES = 1 << 30
"""The default memory limit for decoding one message: a message of a few bytes can ask for any size."""

MAX_DIMENSIONS = 64
"""The maximum number of dimensions of a numpy array."""

STRING_BYTES = 64
"""The rough overhead of a string in Python besides its own bytes."""

# A Python loop lets other threads in; a numpy loop over Python numbers does not.
_NUMBERS_AT_ONCE = 1 << 16


def encode_tensor(array: ArrayLike) -> tensor_pb2.TensorProto:
    """Encode an array.

    Args:
        array: Any array of numbers, booleans or strings (``bytes``, or ``str`` as UTF-8).

    Returns:
        The message; numbers are in ``tensor_content``, strings in ``string_val``.

    Raises:
        TensorCodecError: The type has no tensor form, or an object array holds anything but strings.
    """
    values = np.asarray(array)
    data_type = data_type_of(values.dtype)
    shape = tensor_pb2.TensorShapeProto(dim=[tensor_pb2.TensorShapeProto.Dim(size=size) for size in values.shape])
    if data_type == tensor_pb2.DT_STRING:
        strings = [_as_bytes(value) for value in values.ravel().tolist()]
        return tensor_pb2.TensorProto(dtype=tensor_pb2.DT_STRING, tensor_shape=shape, string_val=strings)
    if values.dtype.byteorder == ">":
        values = values.astype(values.dtype.newbyteorder("<"))
    return tensor_pb2.TensorProto(
        dtype=tensor_pb2.DataType.ValueType(data_type), tensor_shape=shape, tensor_content=values.tobytes()
    )


def _as_bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise TensorCodecError(f"an array of objects must hold bytes or str, got {type(value).__name__}")


def decode_tensor(
    proto: tensor_pb2.TensorProto,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    content: memoryview | None = None,
    budget: DecodeBudget | None = None,
) -> NDArray[Any]:
    """Decode a tensor.

    Args:
        proto: The message, with ``tensor_content`` or the value list of its type.
        max_bytes: The largest array to create, in bytes.
        content: The tensor's raw bytes, if they are not in the message.
        budget: The memory budget of the whole message; replaces ``max_bytes``.

    Returns:
        The array, in the message's shape. An array from ``tensor_content`` is a read-only view of the message's bytes;
        strings are an object array of ``bytes``.

    Raises:
        TensorCodecError: No shape, a negative or unknown dimension, more than ``max_bytes``, a type without a numpy
            equivalent, or a number of bytes or values that does not match the shape.
    """
    budget = DecodeBudget(max_bytes) if budget is None else budget
    dtype, shape = numpy_dtype(proto.dtype), tensor_shape(proto)
    size = checked_size(shape, dtype, proto.dtype, budget)
    raw = proto.tensor_content if content is None else content
    if proto.dtype == tensor_pb2.DT_STRING:
        strings = _split_strings(bytes(raw), size, budget) if raw else list(proto.string_val)
        return _decode_strings(strings, size).reshape(shape)
    if raw:
        if len(raw) != size * dtype.itemsize:
            raise TensorCodecError(
                f"tensor_content of shape {list(shape)} and type {data_type_name(proto.dtype)} must be "
                f"{size * dtype.itemsize} bytes, got {len(raw)}"
            )
        return np.frombuffer(raw, dtype).reshape(shape)
    return _fill(_decode_values(proto, dtype), size).reshape(shape)


def tensor_shape(proto: tensor_pb2.TensorProto) -> tuple[int, ...]:
    """The shape of a tensor.

    Args:
        proto: The message.

    Returns:
        Its sizes, as given by the sender.

    Raises:
        TensorCodecError: It has none.
    """
    if proto.tensor_shape.unknown_rank:
        raise TensorCodecError("a tensor needs a shape, got unknown_rank")
    return tuple(dim.size for dim in proto.tensor_shape.dim)


def checked_size(shape: Sequence[int], dtype: np.dtype[Any], type_name: str | int, budget: DecodeBudget) -> int:
    """The number of elements of a tensor with an untrusted shape; charges their bytes to a budget.

    Args:
        shape: Its sizes.
        dtype: Its numpy type.
        type_name: The sender's name for the type, or its number.
        budget: The message's memory budget.

    Returns:
        The number of elements.

    Raises:
        TensorCodecError: A negative size, more dimensions or elements than numpy allows, or more bytes than the budget
            has left.
    """
    size = math.prod(shape)
    # numpy rejects larger arrays even if another dimension is 0.
    extent = size or math.prod(each for each in shape if each)
    if len(shape) > MAX_DIMENSIONS or abs(extent) * dtype.itemsize >= 1 << 63:
        raise TensorCodecError(f"a tensor of {len(shape)} dimensions {list(shape[:8])} is too large")
    if shape and min(shape) < 0:
        raise TensorCodecError(f"a tensor's dimensions must not be negative, got {list(shape)}")
    what = "a tensor"
    if size * dtype.itemsize > budget.left_bytes:
        type_name = data_type_name(type_name) if isinstance(type_name, int) else type_name
        what = f"a tensor of shape {list(shape)} and type {type_name}"
    budget.spend(size * dtype.itemsize, what)
    return size


def _decode_values(proto: tensor_pb2.TensorProto, dtype: np.dtype[Any]) -> NDArray[Any]:
    field = value_field(proto.dtype)
    listed = getattr(proto, field)
    if field == "float8_val":
        return np.frombuffer(listed, dtype)
    if field == "half_val":
        return from_numbers(listed, np.dtype(np.int32)).astype(np.uint16).view(dtype)
    if field == "int_val":
        # A value beyond the type wraps around, as in TensorFlow.
        return from_numbers(listed, np.dtype(np.int32)).astype(dtype)
    if dtype.kind == "c":
        if len(listed) % 2:
            raise TensorCodecError(f"{field} must hold pairs of real and imaginary parts, got {len(listed)} numbers")
        part = np.float32 if dtype.itemsize == 8 else np.float64
        return from_numbers(listed, np.dtype(part)).view(dtype)
    return from_numbers(listed, dtype)


def from_numbers(listed: Sequence[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of a message's list of numbers, created in pieces so that other threads can run in between.

    Args:
        listed: The numbers.
        dtype: Their type.

    Returns:
        The one-dimensional array.
    """
    if len(listed) <= _NUMBERS_AT_ONCE:
        return np.fromiter(listed, dtype, len(listed))
    array = np.empty(len(listed), dtype)
    for begin in range(0, len(listed), _NUMBERS_AT_ONCE):
        array[begin : begin + _NUMBERS_AT_ONCE] = listed[begin : begin + _NUMBERS_AT_ONCE]
    return array


def _fill(values: NDArray[Any], size: int) -> NDArray[Any]:
    if len(values) == size:
        return values
    _refuse_more(len(values), size)
    filled = np.empty(size, values.dtype)
    filled[: len(values)] = values
    filled[len(values) :] = values[-1] if len(values) else np.zeros((), values.dtype)
    return filled


def _decode_strings(strings: list[bytes], size: int) -> NDArray[Any]:
    _refuse_more(len(strings), size)
    filled = np.empty(size, object)
    filled[: len(strings)] = strings
    filled[len(strings) :] = strings[-1] if strings else b""
    return filled


def _refuse_more(count: int, size: int) -> None:
    if count > size:
        raise TensorCodecError(f"a tensor of {size} elements must not list more values, got {count}")


def _split_strings(content: bytes, size: int, budget: DecodeBudget) -> list[bytes]:
    """Split a string tensor's raw form: all lengths as varints, then all bytes (tensorflow/core/lib/core/coding)."""
    budget.spend(min(size, len(content)) * STRING_BYTES + len(content), f"a tensor of {size} strings")
    lengths: list[int] = []
    position = 0
    while len(lengths) < size:
        length = shift = 0
        while True:
            if position >= len(content) or shift > 63:
                raise TensorCodecError(f"tensor_content of {size} strings is cut short after {len(lengths)} lengths")
            byte = content[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise TensorCodecError(
            f"tensor_content of {size} strings must be {position + sum(lengths)} bytes, got {len(content)}"
        )
    strings = []
    for length in lengths:
        strings.append(content[position : position + length])
        position += length
    return strings
