"""The exact way in for JSON: any value TensorFlow Serving accepts, and its error texts for those it does not.

Rules and texts are those of tensorflow_serving/util/json_tensor.cc and its documentation (g3doc/api_rest.md).
"""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.errors import InvalidArgumentError, UnimplementedError
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
_FLOATS: dict[int, str] = {tensor_pb2.DT_FLOAT: "float", tensor_pb2.DT_DOUBLE: "double"}


def parse_json(body: bytes) -> dict[str, Any]:
    """Parse a body as TensorFlow Serving does: NaN and infinities are numbers, text after the value is ignored.

    Args:
        body: The JSON text.

    Returns:
        The object.

    Raises:
        InvalidArgumentError: Empty, broken, too deep, or not an object.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}") from None
    begin = len(text) - len(text.lstrip())
    if begin == len(text):
        raise InvalidArgumentError("JSON Parse error: The document is empty. at offset: 0")
    try:
        document, _ = json.JSONDecoder().raw_decode(text, begin)
    except json.JSONDecodeError as error:
        raise InvalidArgumentError(f"JSON Parse error: {error.msg}. at offset: {error.pos}") from None
    except RecursionError:
        raise InvalidArgumentError("JSON Parse error: The document is nested too deep.") from None
    except ValueError as error:
        # Python refuses integers of thousands of digits.
        raise InvalidArgumentError(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise InvalidArgumentError(f"Request Value: {_show(document)} Type: {_type_name(document)} Is not object")
    return document


def decode_value(value: object, spec: TensorSpec) -> NDArray[Any]:
    """Turn a JSON value into a tensor's array.

    Args:
        value: A scalar or regular nested lists of scalars.
        spec: The tensor it is for.

    Returns:
        The array; strings as objects of ``bytes``.

    Raises:
        InvalidArgumentError: A value of another type, or lists of unequal lengths.
        UnimplementedError: JSON has no form for this tensor type.
    """
    convert = _converter(spec)
    shape: list[int] = []
    probe = value
    while isinstance(probe, list):
        shape.append(len(probe))
        probe = probe[0] if probe else None
    flat: list[Any] = []
    _flatten(value, shape, 0, convert, flat)
    dtype = spec.dtype
    array = np.empty(len(flat), dtype)
    with np.errstate(over="ignore"):
        array[:] = flat
    return array.reshape(shape)


def is_base64_object(value: object) -> bool:
    """Whether a JSON value is the form of a binary string: an object whose only key is ``b64``, with a string.

    Args:
        value: The value.

    Returns:
        False also for ``{"b64": ["..."]}`` and ``{"b64": {"b64": "..."}}``, which give an input named ``b64``.
    """
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _flatten(value: object, shape: list[int], level: int, convert: Callable[[object], Any], flat: list[Any]) -> None:
    if level == len(shape):
        flat.append(convert(value))
        return
    if not isinstance(value, list):
        raise InvalidArgumentError(f"JSON Value: {_show(value)} Encountered scalar at level: {level} expected a list")
    if len(value) != shape[level]:
        raise InvalidArgumentError(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _flatten(item, shape, level + 1, convert, flat)


def _converter(spec: TensorSpec) -> Callable[[object], Any]:
    if spec.data_type in _FLOATS:
        return lambda value: _number(value, _FLOATS[spec.data_type], (int, float))
    if spec.data_type in _INTEGERS:
        limits = np.iinfo(_INTEGERS[spec.data_type])

        def integer(value: object) -> Any:
            number = _number(value, _INTEGERS[spec.data_type], (int,))
            if not limits.min <= number <= limits.max:
                raise _wrong_type(value, _INTEGERS[spec.data_type])
            return number

        return integer
    if spec.data_type == tensor_pb2.DT_BOOL:
        return _boolean
    if spec.data_type == tensor_pb2.DT_STRING:
        return _string
    raise UnimplementedError(f"Conversion of JSON Value to type: {spec.type_name} is not supported")


def _number(value: object, type_name: str, accepted: tuple[type, ...]) -> Any:
    # bool is an int in Python, not in JSON
    if isinstance(value, bool) or not isinstance(value, accepted):
        raise _wrong_type(value, type_name)
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(value, "bool")
    return value


def _string(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and is_base64_object(value):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise InvalidArgumentError(f"Unable to base64 decode the value of b64: {_show(value['b64'])}") from None
    raise _wrong_type(value, "string")


def _wrong_type(value: object, type_name: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"JSON Value: {_show(value)} Type: {_type_name(value)} is not of expected type: {type_name}"
    )


def _type_name(value: object) -> str:
    names = {bool: "Bool", int: "Number", float: "Number", str: "String", list: "Array", dict: "Object"}
    return names.get(type(value), "Null")


def _show(value: object, limit: int = 100) -> str:
    # Cut before printing as well: the value may be the whole body.
    if isinstance(value, (list, dict)) and len(value) > limit:
        return f"[{len(value)} values]"
    text = json.dumps(value)
    return text if len(text) <= limit else text[:limit] + "..."
