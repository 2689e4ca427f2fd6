"""Decode JSON values into a tensor's array: every value TensorFlow Serving accepts, and its messages for the rest.

Rules and messages are those of tensorflow_serving/util/json_tensor.cc and its documentation (g3doc/api_rest.md).
"""

import base64
import binascii
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.tensor import MAX_DIMENSIONS, TensorCodecError, from_numbers
from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.codecs.json_document import Constant, show, type_name
from serverless_dnn.runtime.errors import InvalidArgumentError, PayloadTooLargeError, UnimplementedError
from serverless_dnn.runtime.saved_model.signature import TensorSpec

_INTEGERS: dict[int, str] = {
    tensor_pb2.DT_INT8: "int8",
    tensor_pb2.DT_INT16: "int16",
    tensor_pb2.DT_INT32: "int32",
    tensor_pb2.DT_INT64: "int64",
    tensor_pb2.DT_UINT8: "uint8",
    tensor_pb2.DT_UINT32: "uint32",
    tensor_pb2.DT_UINT64: "uint64",
}
_FLOATS: dict[int, tuple[str, float, int]] = {
    tensor_pb2.DT_FLOAT: ("float", float(np.finfo(np.float32).max), 1 << 24),
    tensor_pb2.DT_DOUBLE: ("double", float(np.finfo(np.float64).max), 1 << 53),
}
# RapidJSON parses integers beyond these as doubles.
_MIN_INT64, _MAX_UINT64 = -(2**63), 2**64 - 1
# Python holds the GIL while it scans a list.
_AT_ONCE = 1 << 14
_WHITESPACE = dict.fromkeys(map(ord, " \t\r\n\v\f"))


def decode_value(value: object, spec: TensorSpec, budget: DecodeBudget) -> NDArray[Any]:
    """Turn a JSON value into a tensor's array.

    Args:
        value: A scalar or regular nested lists of scalars.
        spec: The tensor it is for.
        budget: The request's memory budget.

    Returns:
        The array; strings as objects of ``bytes``.

    Raises:
        InvalidArgumentError: A value has the wrong type, or lists have unequal lengths.
        PayloadTooLargeError: The array does not fit the budget.
        UnimplementedError: JSON has no form for this tensor type.
    """
    kind = _kind_of(spec)
    shape: list[int] = []
    probe = value
    while isinstance(probe, list):
        shape.append(len(probe))
        probe = probe[0] if probe else None
    if len(shape) > MAX_DIMENSIONS:
        raise InvalidArgumentError(f"JSON Value has more than {MAX_DIMENSIONS} dimensions")
    spend(budget, math.prod(shape) * spec.dtype.itemsize, spec.name)
    flat: list[Any] = []
    _flatten(value, shape, 0, kind, flat)
    return from_numbers(flat, spec.dtype).reshape(shape)


def spend(budget: DecodeBudget, size_bytes: int, name: str) -> None:
    """Charge an array's bytes to a request's budget.

    Args:
        budget: The request's memory budget.
        size_bytes: The bytes.
        name: The input they are for.

    Raises:
        PayloadTooLargeError: The budget is exceeded.
    """
    try:
        budget.spend(size_bytes, f"input {name}")
    except TensorCodecError as error:
        raise PayloadTooLargeError(str(error)) from None


def is_base64_object(value: object) -> bool:
    """Whether a JSON value encodes a binary string: an object whose only key is ``b64``, with a string value.

    Args:
        value: The value.

    Returns:
        False also for ``{"b64": ["..."]}`` and ``{"b64": {"b64": "..."}}``, which are values for an input named
        ``b64``.
    """
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64(text: str) -> bytes:
    """Decode base64 as TensorFlow Serving does, which skips white space and accepts missing padding.

    Args:
        text: The text, possibly with line breaks.

    Returns:
        The bytes.

    Raises:
        ValueError: It is not base64.
    """
    if len(text) % 4 or any(space in text for space in " \t\r\n\v\f"):
        text = text.translate(_WHITESPACE)
        if not text.endswith("="):
            text += "=" * (-len(text) % 4)
    return base64.b64decode(text, validate=True)


class _Kind(NamedTuple):
    """How values of one tensor type are converted.

    Attributes:
        convert: Converts one value to an array element; raises if it has the wrong type.
        are_ready: Whether a list of values needs no conversion, as is usual.
    """

    convert: Callable[[object], Any]
    are_ready: Callable[[list[Any]], bool] = lambda _: False


def _flatten(value: object, shape: list[int], level: int, kind: _Kind, flat: list[Any]) -> None:
    if level == len(shape):
        flat.append(kind.convert(value))
        return
    if not isinstance(value, list):
        raise InvalidArgumentError(f"JSON Value: {show(value)} Encountered scalar at level: {level} expected a list")
    if len(value) != shape[level]:
        raise InvalidArgumentError(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    if level < len(shape) - 1:
        for item in value:
            _flatten(item, shape, level + 1, kind, flat)
        return
    for begin in range(0, len(value), _AT_ONCE):
        some = value[begin : begin + _AT_ONCE]
        flat += some if kind.are_ready(some) else map(kind.convert, some)


def _kind_of(spec: TensorSpec) -> _Kind:
    if spec.data_type in _FLOATS:
        name, largest, most_exact = _FLOATS[spec.data_type]

        def are_ready(values: list[Any]) -> bool:
            types = set(map(type, values))
            # A constant such as NaN has a different type.
            limit = most_exact if int in types else largest
            return types <= {int, float} and -limit <= min(values) and max(values) <= limit

        return _Kind(lambda value: _decimal(value, name, largest, most_exact), are_ready)
    if spec.data_type in _INTEGERS:
        limits = np.iinfo(_INTEGERS[spec.data_type])

        def integer(value: object) -> Any:
            # bool is an int in Python, not in JSON
            if isinstance(value, bool) or not isinstance(value, int) or not limits.min <= value <= limits.max:
                raise _wrong_type(value, _INTEGERS[spec.data_type])
            return value

        def are_integers(values: list[Any]) -> bool:
            return set(map(type, values)) == {int} and limits.min <= min(values) and max(values) <= limits.max

        return _Kind(integer, are_integers)
    if spec.data_type == tensor_pb2.DT_BOOL:
        return _Kind(_boolean)
    if spec.data_type == tensor_pb2.DT_STRING:
        return _Kind(_string)
    raise UnimplementedError(f"Conversion of JSON Value to type: {spec.type_name} is not supported")


def _decimal(value: object, name: str, largest: float, most_exact: int) -> Any:
    """A number for a float tensor; rejects integers it would round and numbers out of range."""
    if isinstance(value, Constant):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_type(value, name)
    if isinstance(value, int) and _MIN_INT64 <= value <= _MAX_UINT64:
        if abs(value) > most_exact:
            raise _lossy(value, name)
        return value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise InvalidArgumentError(f"JSON Parse error: Number too big to be stored in double: {show(value, 40)}")
    if abs(number) > largest:
        raise _lossy(value, name)
    return number


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(value, "bool")
    return value


def _string(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and is_base64_object(value):
        try:
            return decode_base64(value["b64"])
        except (binascii.Error, ValueError):
            raise InvalidArgumentError(f"Unable to base64 decode the value of b64: {show(value['b64'])}") from None
    raise _wrong_type(value, "string")


def _lossy(value: object, name: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"JSON Value: {show(value)} Type: Number is not of expected type: {name}, or is lossy")


def _wrong_type(value: object, name: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"JSON Value: {show(value)} Type: {type_name(value)} is not of expected type: {name}")
