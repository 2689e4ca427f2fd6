"""The fast way in for JSON: one dense array of numbers, read without making a Python object for each.

simdjson reads all numbers of a nested list into one buffer but does not look at the lists' lengths, so the shape is
checked on the text itself, vectorised: the brackets must be those of a regular array, and every innermost list must
hold the same number of commas.
"""

import math
import threading
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

_parsers = threading.local()
_BUFFER_TYPES = {"f": "d", "i": "i", "u": "i"}
_OPEN, _CLOSE, _COMMA = b"[],"


def decode_dense(body: bytes, dtype: np.dtype[Any], path: tuple[str, ...]) -> NDArray[Any] | None:
    """Read a regular nested list of numbers.

    Args:
        body: JSON text whose only brackets are those of the list.
        dtype: The type wanted: a float, or an integer that every value fits.
        path: The keys that lead to the list.

    Returns:
        The array, or ``None`` when the body is anything else; then the general reader finds out what.
    """
    parser = getattr(_parsers, "parser", None) or simdjson.Parser()
    # Only put back below, when no view of the document is left: a parser in use cannot be used again.
    _parsers.parser = None
    try:
        value: Any = parser.parse(body)
        for key in path:
            value = value[key]
        shape = _outline(value)
        if not shape or (flat := _numbers(value, dtype)) is None or flat.size != math.prod(shape):
            return None
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError):
        # RuntimeError is simdjson's own word for what it cannot hold: too deep, too large a number.
        return None
    finally:
        value = None
        _parsers.parser = parser
    if not _is_regular(np.frombuffer(body, np.uint8), shape):
        return None
    return flat.reshape(shape)


def _outline(value: Any) -> tuple[int, ...]:
    """The lengths of the first list of every level."""
    shape = []
    while isinstance(value, simdjson.Array):
        shape.append(len(value))
        if not shape[-1]:
            break
        value = value[0]
    return tuple(shape)


def _numbers(value: Any, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    buffer_type = "u" if dtype == np.uint64 else _BUFFER_TYPES[dtype.kind]
    wide = np.frombuffer(value.as_buffer(of_type=buffer_type), np.dtype(f"{buffer_type.replace('d', 'f')}8"))
    if dtype.kind != "f" and wide.size and dtype.itemsize < wide.itemsize:
        limits = np.iinfo(dtype)
        if wide.min() < limits.min or wide.max() > limits.max:
            return None
    with np.errstate(over="ignore"):
        return wide.astype(dtype, copy=False)


def _is_regular(text: NDArray[np.uint8], shape: tuple[int, ...]) -> bool:
    positions = np.flatnonzero((text == _OPEN) | (text == _CLOSE))
    expected = _brackets(shape)
    if positions.size != expected.size or not np.array_equal(text[positions], expected):
        return False
    inner = shape[-1]
    if not inner:
        return True
    first, last = positions[0], positions[-1]
    commas = np.flatnonzero(text[first:last] == _COMMA) + first
    closes = positions[1:][(expected[1:] == _CLOSE) & (expected[:-1] == _OPEN)]
    rows = closes.size
    if commas.size != rows * inner - 1 or inner == 1:
        return bool(commas.size == rows - 1)
    # Row j closes after its inner-1 commas, and before the comma that parts it from the next row.
    return bool((commas[inner - 2 :: inner] < closes).all() and (commas[inner - 1 :: inner] > closes[:-1]).all())


def _brackets(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    sequence = np.frombuffer(b"[]", np.uint8)
    for size in reversed(shape[:-1]):
        sequence = np.concatenate(([_OPEN], np.tile(sequence, size), [_CLOSE])).astype(np.uint8)
    return sequence
