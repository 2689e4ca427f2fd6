"""The numpy type of each tensor type, and the ``TensorProto`` field that lists its values."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from serverless_dnn.protos.v1 import tensor_pb2


class TensorCodecError(ValueError):
    """A tensor that cannot be encoded or decoded; the message states what was expected and what was received."""


@dataclass(frozen=True)
class _Kind:
    numpy_name: str
    value_field: str


_FLOAT8 = "float8_val"
_KINDS: dict[int, _Kind] = {
    tensor_pb2.DT_FLOAT: _Kind("float32", "float_val"),
    tensor_pb2.DT_DOUBLE: _Kind("float64", "double_val"),
    tensor_pb2.DT_INT32: _Kind("int32", "int_val"),
    tensor_pb2.DT_UINT8: _Kind("uint8", "int_val"),
    tensor_pb2.DT_INT16: _Kind("int16", "int_val"),
    tensor_pb2.DT_INT8: _Kind("int8", "int_val"),
    tensor_pb2.DT_STRING: _Kind("object", "string_val"),
    tensor_pb2.DT_COMPLEX64: _Kind("complex64", "scomplex_val"),
    tensor_pb2.DT_INT64: _Kind("int64", "int64_val"),
    tensor_pb2.DT_BOOL: _Kind("bool", "bool_val"),
    tensor_pb2.DT_BFLOAT16: _Kind("bfloat16", "half_val"),
    tensor_pb2.DT_UINT16: _Kind("uint16", "int_val"),
    tensor_pb2.DT_COMPLEX128: _Kind("complex128", "dcomplex_val"),
    tensor_pb2.DT_HALF: _Kind("float16", "half_val"),
    tensor_pb2.DT_UINT32: _Kind("uint32", "uint32_val"),
    tensor_pb2.DT_UINT64: _Kind("uint64", "uint64_val"),
    tensor_pb2.DT_FLOAT8_E5M2: _Kind("float8_e5m2", _FLOAT8),
    tensor_pb2.DT_FLOAT8_E4M3FN: _Kind("float8_e4m3fn", _FLOAT8),
    tensor_pb2.DT_FLOAT8_E4M3FNUZ: _Kind("float8_e4m3fnuz", _FLOAT8),
    tensor_pb2.DT_FLOAT8_E4M3B11FNUZ: _Kind("float8_e4m3b11fnuz", _FLOAT8),
    tensor_pb2.DT_FLOAT8_E5M2FNUZ: _Kind("float8_e5m2fnuz", _FLOAT8),
    tensor_pb2.DT_INT4: _Kind("int4", "int_val"),
    tensor_pb2.DT_UINT4: _Kind("uint4", "int_val"),
}
# A quantised tensor is transferred as the integers it holds; numpy has no separate type for it.
_QUANTIZED: dict[int, _Kind] = {
    tensor_pb2.DT_QINT8: _Kind("int8", "int_val"),
    tensor_pb2.DT_QUINT8: _Kind("uint8", "int_val"),
    tensor_pb2.DT_QINT16: _Kind("int16", "int_val"),
    tensor_pb2.DT_QUINT16: _Kind("uint16", "int_val"),
    tensor_pb2.DT_QINT32: _Kind("int32", "int_val"),
}
_DATA_TYPE_OF_NAME = {kind.numpy_name: data_type for data_type, kind in _KINDS.items()}


def _resolve(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:
        try:
            import ml_dtypes
        except ImportError:
            raise TensorCodecError(
                f"{name} tensors need the package ml-dtypes: pip install 'serverless-dnn-protos[extended-dtypes]'"
            ) from None
        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return dtype


def data_type_name(data_type: int) -> str:
    """The name of a tensor type, such as ``DT_FLOAT``, even for an unknown number.

    Args:
        data_type: A number of the ``DataType`` enum.

    Returns:
        The enum's name, or ``DataType N`` for an unknown number.
    """
    known = tensor_pb2.DataType.values()
    return tensor_pb2.DataType.Name(data_type) if data_type in known else f"DataType {data_type}"  # type: ignore[arg-type]


@cache
def numpy_dtype(data_type: int) -> np.dtype[Any]:
    """The numpy type that holds a tensor type.

    Args:
        data_type: A number of the ``DataType`` enum. Quantised types map to the integer type they hold.

    Returns:
        The numpy type; ``object`` (of ``bytes``) for ``DT_STRING``.

    Raises:
        TensorCodecError: The type has no numpy equivalent (resources, variants, references), or ``ml-dtypes`` is
            missing.
    """
    kind = _KINDS.get(data_type) or _QUANTIZED.get(data_type)
    if kind is None:
        raise TensorCodecError(f"a tensor of type {data_type_name(data_type)} has no numpy form")
    return _resolve(kind.numpy_name)


@cache
def value_field(data_type: int) -> str:
    """The field of ``TensorProto`` that lists the values of a tensor type, such as ``float_val``.

    Args:
        data_type: A number of the ``DataType`` enum with a numpy equivalent.

    Returns:
        The field's name.
    """
    kind = _KINDS.get(data_type) or _QUANTIZED[data_type]
    return kind.value_field


@cache
def data_type_of(dtype: DTypeLike) -> int:
    """The tensor type of a numpy type.

    Args:
        dtype: The numpy type; objects, ``S`` and ``U`` are strings.

    Returns:
        A number of the ``DataType`` enum.

    Raises:
        TensorCodecError: TensorFlow has no such type, for example ``datetime64``.
    """
    resolved = np.dtype(dtype)
    name = "object" if resolved.kind in "OSU" else resolved.name
    try:
        return _DATA_TYPE_OF_NAME[name]
    except KeyError:
        raise TensorCodecError(f"numpy type {resolved} has no tensor type") from None
