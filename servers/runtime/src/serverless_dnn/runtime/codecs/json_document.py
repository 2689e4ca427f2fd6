"""Parse a JSON document as TensorFlow Serving does, without blocking other threads.

The rules are those of RapidJSON with NaN and infinities allowed, which TensorFlow Serving uses. The standard library's
scanner parses a whole document in one C call that holds the GIL: a second for a body of 60 MB. Here it is fed pieces of
bounded size.
"""

import json
import re
from json.decoder import WHITESPACE, scanstring  # type: ignore[attr-defined]
from typing import Any

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.errors import InvalidArgumentError, PayloadTooLargeError

# A piece of this size takes the scanner 4 ms.
_PIECE = 1 << 18
_MAX_DEPTH = 100
# After this many pieces that did not end between members, a list is read member by member.
_MAX_FAILURES = 3
# The rough size of a value as a Python object in a list, and how many bytes of the limit each value needs.
_VALUE_BYTES = 64
_LIMIT_BYTES_PER_VALUE = 8
_BOM = b"\xef\xbb\xbf"
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class Constant(float):
    """``NaN`` or an infinity written literally, as opposed to a number too large for a double."""


_CONSTANTS = {name: Constant(name) for name in ("NaN", "Infinity", "-Infinity")}
# The attribute has existed since Python 2.7, but typeshed lacks it.
_scan_once: Any = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__).scan_once  # type: ignore[attr-defined]


def parse_json(body: bytes, budget: DecodeBudget) -> dict[str, Any]:
    """Parse a body as TensorFlow Serving does: NaN and infinities are numbers, and a byte order mark is skipped.

    Args:
        body: The JSON text.
        budget: The request's memory budget.

    Returns:
        The object.

    Raises:
        InvalidArgumentError: The body is empty, malformed, too deep, followed by something else, or not an object.
        PayloadTooLargeError: It holds more values than the budget allows.
    """
    try:
        text = body.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}") from None
    _check_count(text, budget)
    begin = _skip(text, 0)
    if begin == len(text):
        raise InvalidArgumentError("JSON Parse error: The document is empty. at offset: 0")
    try:
        document, end = _scan(text, begin, 0)
    except json.JSONDecodeError as error:
        raise InvalidArgumentError(f"JSON Parse error: {error.msg}. at offset: {error.pos}") from None
    except RecursionError:
        raise InvalidArgumentError("JSON Parse error: The document is nested too deep.") from None
    except ValueError as error:
        # Python rejects integers of thousands of digits.
        raise InvalidArgumentError(f"JSON Parse error: {error}") from None
    if (rest := _skip(text, end)) < len(text):
        raise InvalidArgumentError(
            f"JSON Parse error: The document root must not be followed by other values. at offset: {rest}"
        )
    if _SURROGATE_ESCAPE.search(body):
        _check_text(document)
    if not isinstance(document, dict):
        raise InvalidArgumentError(f"Request Value: {show(document)} Type: {type_name(document)} Is not object")
    return document


def type_name(value: object) -> str:
    """TensorFlow Serving's name for the type of a JSON value.

    Args:
        value: The value.

    Returns:
        For example ``Number``.
    """
    names = {bool: "Bool", int: "Number", float: "Number", Constant: "Number", str: "String", list: "Array"}
    return names.get(type(value), "Object" if isinstance(value, dict) else "Null")


def show(value: object, limit: int = 100) -> str:
    """Format a JSON value for an error message, in ASCII.

    Args:
        value: The value.
        limit: The maximum number of characters.

    Returns:
        Its text, truncated if necessary.
    """
    # Truncated before printing as well: the value may be the whole body.
    if isinstance(value, (list, dict)) and len(value) > limit:
        return f"[{len(value)} values]"
    if isinstance(value, str):
        value = value[: limit + 1]
    text = json.dumps(value)
    return text if len(text) <= limit else text[:limit] + "..."


def _check_count(text: str, budget: DecodeBudget) -> None:
    """Reject a body that would become too many Python objects, before any is created."""
    count = text.count(",") + text.count("[") + text.count("{")
    if count * _LIMIT_BYTES_PER_VALUE > budget.max_bytes:
        raise PayloadTooLargeError(
            f"the body holds about {count} values, and this server reads {budget.max_bytes // _LIMIT_BYTES_PER_VALUE} "
            "from JSON, or more if they are one list of numbers without NaN: send application/x-npy, "
            "application/x-protobuf or gRPC"
        )
    budget.hold(count * _VALUE_BYTES)


def _check_text(value: object) -> None:
    """Reject strings with a lone surrogate, which UTF-8 cannot encode."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and not item.isascii():
            try:
                item.encode()
            except UnicodeEncodeError as error:
                part = item[error.start : error.start + 1].encode("ascii", "backslashreplace").decode("ascii")
                raise InvalidArgumentError(
                    f"JSON Parse error: The surrogate pair in string is invalid: {part} stands alone"
                ) from None


def _skip(text: str, at: int) -> int:
    return int(WHITESPACE.match(text, at).end())


def _scan(text: str, at: int, depth: int, size: int = _PIECE) -> tuple[Any, int]:
    """The value at a position and where it ends.

    Lists and objects no longer than a piece are parsed in one go, others member by member. ``size`` is the expected
    length of the value: about that much is tried first, then a whole piece.
    """
    first = text[at : at + 1]
    if first not in ("[", "{") or len(text) - at <= _PIECE:
        return _scan_at_once(text, at)
    if depth > _MAX_DEPTH:
        raise RecursionError
    for length in (2 * size + 64, _PIECE) if 2 * size + 64 < _PIECE else (_PIECE,):
        try:
            value, end = _scan_once(text[at : at + length], 0)
        except (StopIteration, ValueError):
            continue
        return value, at + end
    return _scan_list(text, at, depth) if first == "[" else _scan_object(text, at, depth)


def _scan_at_once(text: str, at: int) -> tuple[Any, int]:
    try:
        value, end = _scan_once(text, at)
    except StopIteration as stop:
        raise json.JSONDecodeError("Expecting value", text, stop.value) from None
    return value, end


def _scan_list(text: str, at: int, depth: int) -> tuple[list[Any], int]:
    values: list[Any] = []
    at = _skip(text, at + 1)
    if text.startswith("]", at):
        return values, at + 1
    size, failures, member_end = 0, 0, ","
    while True:
        read = _scan_several(text, at, member_end) if failures < _MAX_FAILURES else None
        if read is not None:
            several, end = read
            values += several
        else:
            failures += 1
            value, end = _scan(text, at, depth + 1, size)
            values.append(value)
            size = end - at
            # Where the next member of this kind may end: in a list of lists, where as many of them close.
            closing = text[max(at, end - _MAX_DEPTH) : end]
            member_end = closing[len(closing.rstrip("]}")) :] + ","
        at, is_last = _after_member(text, end, "]")
        if is_last:
            return values, at


def _scan_several(text: str, at: int, member_end: str) -> tuple[list[Any], int] | None:
    """A list's next members, as many as fit a piece, and where they end; ``None`` if the piece ends inside one."""
    end = text.find(member_end, at + _PIECE)
    is_rest = end < 0
    end = len(text) if is_rest else end + len(member_end) - 1
    if end - at > 2 * _PIECE:
        return None
    piece = text[at:end] if is_rest else text[at:end] + "]"
    try:
        values, length = _scan_once(f"[{piece}", 0)
    except (StopIteration, ValueError):
        return None
    # A match inside a string is not a member's end.
    return None if not is_rest and length != len(piece) + 1 else (values, at + length - 2)


def _scan_object(text: str, at: int, depth: int) -> tuple[dict[str, Any], int]:
    values: dict[str, Any] = {}
    at = _skip(text, at + 1)
    if text.startswith("}", at):
        return values, at + 1
    while True:
        if not text.startswith('"', at):
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        key, at = scanstring(text, at + 1, True)  # noqa: FBT003
        at = _skip(text, at)
        if not text.startswith(":", at):
            raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
        values[key], end = _scan(text, _skip(text, at + 1), depth + 1)
        at, is_last = _after_member(text, end, "}")
        if is_last:
            return values, at


def _after_member(text: str, at: int, closing: str) -> tuple[int, bool]:
    """Where the next member begins or the list or object ends, and whether it ended."""
    at = _skip(text, at)
    if text.startswith(closing, at):
        return at + 1, True
    if not text.startswith(",", at):
        raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
    return _skip(text, at + 1), False
