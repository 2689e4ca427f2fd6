"""The fast way in for JSON: one dense array of numbers, read without making a Python object for each.

simdjson reads all numbers of a nested list into one buffer but does not look at the lists' lengths, so the shape is
checked on the text itself: without its numbers it must be the text of a regular array without its numbers.
"""

import math
import threading
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

_parsers = threading.local()
_BUFFER_TYPES = {"f": "d", "i": "i", "u": "i"}
_BRACKETS = frozenset(b"[]")
# What a number is written with, and what may stand around it.
_NUMBERS_AND_SPACE = b"0123456789.eE+- \t\r\n"


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
        shape = _first_lengths(value)
        if not shape or (flat := _numbers(value, dtype)) is None or flat.size != math.prod(shape):
            return None
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError):
        # RuntimeError is simdjson's own word for what it cannot hold: too deep, too large a number.
        return None
    finally:
        value = None
        _parsers.parser = parser
    if not _is_regular(body, shape):
        return None
    return flat.reshape(shape)


def _first_lengths(value: Any) -> tuple[int, ...]:
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


def _is_regular(body: bytes, shape: tuple[int, ...]) -> bool:
    """Whether the text's brackets and commas are those of an array of this shape, which holds as many numbers."""
    outline = body.translate(None, _NUMBERS_AND_SPACE)
    expected = _outline(shape)
    begin = outline.find(b"[")
    return outline.startswith(expected, begin) and not _BRACKETS.intersection(outline[begin + len(expected) :])


def _outline(shape: tuple[int, ...]) -> bytes:
    # Of no numbers and of one the outline is the same; how many there are in all is known.
    outline = b"[" + b"," * (shape[-1] - 1) + b"]"
    for size in reversed(shape[:-1]):
        outline = b"[" + (outline + b",") * (size - 1) + outline + b"]"
    return outline
