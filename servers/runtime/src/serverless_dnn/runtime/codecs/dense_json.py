"""The fast path for JSON: one dense array of numbers, parsed without creating a Python object per number.

simdjson parses all numbers of a list into one buffer. It is fed the text in pieces, without the brackets of inner
lists, so that it uses little memory and lets other threads run in between. The shape is checked on the text itself:
stripped of its numbers, it must equal the text of a regular array stripped of its numbers.
"""

import math
import re
import threading
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.tensor import MAX_DIMENSIONS
from serverless_dnn.runtime.codecs.json_values import spend

_parsers = threading.local()
_BUFFER_TYPES = {"f": "d", "i": "i", "u": "i"}
# The characters of a number, and the whitespace around it.
_NUMBERS_AND_SPACE = b"0123456789.eE+- \t\r\n"
_BRACKETS_TO_SPACE = bytes.maketrans(b"[]", b"  ")
# The start of a body up to its list, and what may follow the list.
_HEAD = re.compile(rb'\s*\{\s*"(?P<key>instances|inputs)"\s*:\s*(?P<named>\{\s*"(?P<name>[^"\\]*)"\s*:\s*)?(?=\[)')
_TAIL = re.compile(rb"\s*\}\s*(?P<named>\}\s*)?")
_OPENING = re.compile(rb"[\[\s]*")
# A piece of this size takes a few milliseconds.
_PIECE_BYTES = 1 << 20
# Per float size: the largest exact integer, and a pattern for integers that may exceed it.
_EXACT = {4: (1 << 24, re.compile(rb"(?<![\d.eE+-])-?\d{8,}(?![\d.eE])")), 8: (1 << 53, re.compile(rb"\d{16}"))}


def decode_dense(body: bytes, alias: str, dtype: np.dtype[Any], budget: DecodeBudget) -> NDArray[Any] | None:
    """Decode a body whose only content is a regular nested list of numbers.

    Args:
        body: The JSON text.
        alias: The name of the only input.
        dtype: The required type: a float, or an integer type that every value fits.
        budget: The request's memory budget.

    Returns:
        The array, or ``None`` if the body is anything else, which is left to the general decoder.

    Raises:
        PayloadTooLargeError: The array does not fit the budget.
    """
    head, end = _HEAD.match(body), body.rfind(b"]") + 1
    tail = _TAIL.fullmatch(body, end) if head is not None else None
    if head is None or tail is None or (head["named"] is None) != (tail["named"] is None):
        return None
    if head["named"] is not None and (head["key"] == b"instances" or head["name"] != alias.encode()):
        return None
    outline = _outline(body, head.end(), end)
    shape = _shape(body, head.end(), outline)
    if shape is None or outline != _outline_of(shape):
        return None
    spend(budget, math.prod(shape) * dtype.itemsize, alias)
    flat = np.empty(math.prod(shape), dtype)
    return flat.reshape(shape) if _read(body, head.end(), end, flat) else None


def _outline(body: bytes, begin: int, end: int) -> bytes:
    """The brackets and commas of a list, and anything else that is not part of a number."""
    pieces = range(begin, end, _PIECE_BYTES)
    return b"".join(body[at : min(end, at + _PIECE_BYTES)].translate(None, _NUMBERS_AND_SPACE) for at in pieces)


def _shape(body: bytes, begin: int, outline: bytes) -> tuple[int, ...] | None:
    """The shape implied by the first list of each level; ``None`` if these are not regular themselves."""
    opening = _OPENING.match(body, begin)
    depth = 0 if opening is None else opening[0].count(b"[")
    if not 0 < depth <= MAX_DIMENSIONS:
        return None
    shape: list[int] = []
    # The outline's length per member, from the innermost list (whose numbers leave nothing) outwards.
    member = 0
    for level in range(depth, 0, -1):
        # The first list of this level ends where this many brackets first close together.
        closing = b"]" * (depth - level + 1)
        size, rest = divmod(outline.find(closing) + len(closing) - level, member + 1)
        if rest or size < 1:
            return None
        shape.insert(0, size)
        member = size * (member + 1) + 1
    return tuple(shape)


def _outline_of(shape: tuple[int, ...]) -> bytes:
    # The outlines of an empty list and of one number are the same; the total count tells them apart.
    outline = b"[" + b"," * (shape[-1] - 1) + b"]"
    for size in reversed(shape[:-1]):
        outline = b"[" + (outline + b",") * (size - 1) + outline + b"]"
    return outline


def _read(body: bytes, begin: int, end: int, flat: NDArray[Any]) -> bool:
    """Parse the numbers of a list; false if it holds anything else, or a number that does not fit."""
    parser = getattr(_parsers, "parser", None) or simdjson.Parser()
    # Returned below, once no view of the document is left: a parser in use cannot be reused.
    _parsers.parser = None
    filled = 0
    numbers: NDArray[Any] | None = None
    try:
        while begin < end:
            cut = body.find(b",", begin + _PIECE_BYTES, end)
            cut = end if cut < 0 else cut
            piece = body[begin:cut].translate(_BRACKETS_TO_SPACE)
            numbers = _numbers(parser.parse(b"[" + piece + b"]"), flat.dtype)
            if filled + len(numbers) > len(flat) or not _fits(numbers, piece, flat.dtype):
                return False
            flat[filled : filled + len(numbers)] = numbers
            filled += len(numbers)
            numbers = None
            begin = cut + 1
    except (ValueError, TypeError, RuntimeError):
        # simdjson raises RuntimeError for values it cannot hold, such as a number that is too large.
        return False
    finally:
        numbers = None
        _parsers.parser = parser
    return filled == len(flat)


def _numbers(document: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    buffer_type = "u" if dtype == np.uint64 else _BUFFER_TYPES[dtype.kind]
    return np.frombuffer(document.as_buffer(of_type=buffer_type), np.dtype(f"{buffer_type.replace('d', 'f')}8"))


def _fits(numbers: NDArray[Any], piece: bytes, dtype: np.dtype[Any]) -> bool:
    """Whether every number converts to this type without loss, as TensorFlow Serving requires."""
    if not len(numbers):
        return True
    least, most = numbers.min(), numbers.max()
    if dtype.kind != "f":
        limits = np.iinfo(dtype)
        return bool(limits.min <= least and most <= limits.max)
    limit = np.finfo(dtype).max
    exact, long_integer = _EXACT[dtype.itemsize]
    if least < -limit or most > limit:
        return False
    return bool(-exact <= least and most <= exact) or long_integer.search(piece) is None
