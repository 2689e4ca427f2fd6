"""Print JSON as TensorFlow Serving does, without blocking other threads: large arrays are printed in pieces.

Numbers are printed as the shortest text that round-trips; NaN and infinities as bare words, which JSON itself lacks.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

_ORJSON = orjson.OPT_SERIALIZE_NUMPY
# How many numbers take 10 ms, holding the GIL, in orjson and in Python's own printer, which supports NaN.
_NUMBERS_AT_ONCE = 1 << 18
_ODD_NUMBERS_AT_ONCE = 1 << 14


def print_json(answer: object) -> bytes:
    """Print a response.

    Args:
        answer: Arrays, rows from ``row_printer``, lists, dictionaries, strings and numbers. Text that UTF-8 cannot
            encode is escaped.

    Returns:
        Compact JSON.
    """
    if isinstance(answer, dict) and len(answer) == 1:
        ((key, value),) = answer.items()
        if isinstance(value, np.ndarray):
            # Joined only once: a large array is most of the response.
            return b"".join([b"{", orjson.dumps(key), b":", *_array_pieces(value), b"}"])
    if not _holds_odd_float(answer):
        try:
            return orjson.dumps(_with_fragments(answer), option=_ORJSON)
        except TypeError:
            # A lone surrogate, which the standard library escapes.
            pass
    text = json.dumps(answer, separators=(",", ":"), default=np.ndarray.tolist, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


def row_printer(array: NDArray[Any]) -> Callable[[int], Any]:
    """Returns a function that yields an array's rows in a form ``print_json`` can nest in lists and dictionaries.

    Args:
        array: The array, with at least one dimension.

    Returns:
        A function from a row's index to the row.
    """
    if _is_plain(array) and array[:1].size <= _NUMBERS_AT_ONCE:
        return array.__getitem__
    return lambda row: orjson.Fragment(b"".join(_array_pieces(array[row])))


def _with_fragments(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_fragments(item) for key, item in value.items()}
    if isinstance(value, np.ndarray) and (value.size > _NUMBERS_AT_ONCE or not _is_plain(value)):
        return orjson.Fragment(b"".join(_array_pieces(value)))
    return value


def _is_plain(array: NDArray[Any]) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _array_pieces(value: Any) -> list[bytes]:
    """The text of an array, or of one of its numbers, in pieces."""
    array = np.asarray(value)
    most = _NUMBERS_AT_ONCE if _is_plain(array) else _ODD_NUMBERS_AT_ONCE
    if array.size <= most or not array.ndim:
        return [_print(array)]
    rows = most * len(array) // array.size
    if not rows:
        # Each row is larger than a piece.
        pieces = [b"["]
        for number, row in enumerate(array):
            pieces += [b","] if number else []
            pieces += _array_pieces(row)
        return [*pieces, b"]"]
    texts = [_print(array[at : at + rows])[1:-1] for at in range(0, len(array), rows)]
    pieces = [b"[", texts[0]]
    for text in texts[1:]:
        pieces += (b",", text)
    return [*pieces, b"]"]


def _print(array: NDArray[Any]) -> bytes:
    if not _is_plain(array):
        return json.dumps(_shortest(array).tolist(), separators=(",", ":")).encode()
    if array.ndim:
        return orjson.dumps(np.ascontiguousarray(array), option=_ORJSON)
    return orjson.dumps(array[()] if array.dtype == np.float32 else array.item(), option=_ORJSON)


def _shortest(array: NDArray[Any]) -> NDArray[Any]:
    """Doubles whose text is the shortest that round-trips each float."""
    return array if array.dtype == np.float64 else array.astype(str).astype(np.float64)


def _holds_odd_float(value: Any) -> bool:
    """Whether the response holds a Python float that is NaN or infinite, which orjson would print as null."""
    if isinstance(value, dict):
        return any(_holds_odd_float(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_odd_float(item) for item in value)
    return isinstance(value, float) and not np.isfinite(value)
