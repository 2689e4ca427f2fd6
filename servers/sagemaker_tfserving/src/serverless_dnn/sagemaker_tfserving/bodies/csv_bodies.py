"""CSV bodies: rows in, rows out, with quoting by RFC 4180 and columns named by a header where the model needs it.

Without a header each line is one instance of the model's only input: several columns make a list, one column a bare
value. With a header, which a model of several inputs needs, columns belong to the inputs they are named after; columns
of the same name make a list.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.codecs.dense_json import decode_dense
from serverless_dnn.runtime.codecs.json_text import print_json
from serverless_dnn.runtime.codecs.json_values import decode_value, spend
from serverless_dnn.runtime.codecs.rest_json import PredictBody
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.saved_model.signature import Signature, TensorSpec, find_signature

# What a body of numbers alone is made of; the words of NaN and infinity are among the letters.
_PLAIN_NUMBERS = re.compile(rb"[0-9eE+\-.,; \t\r\naAfFiInNtTyY]*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|nan|inf|infinity)", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d+")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
# A list of Python strings takes this much more than the text it was cut from.
_CELLS_FACTOR = 8
_LONGEST_FIELD = 1 << 30


def decode_csv(
    body: bytes, signatures: Mapping[str, Signature], budget: DecodeBudget, *, header: bool | None = None
) -> PredictBody:
    """Decode a Predict request for the default signature.

    Args:
        body: The CSV text, UTF-8.
        signatures: The model's signatures by name.
        budget: The request's memory budget.
        header: Whether the first line names the columns; ``None`` decides by the model and that line.

    Returns:
        The arrays; a JSON response has the row format.

    Raises:
        InvalidArgumentError: The body is not CSV, or its columns do not fit the model.
        PayloadTooLargeError: Its arrays do not fit the budget.
    """
    signature = find_signature(signatures, "")
    if len(signature.inputs) == 1 and not header:
        alias, spec = next(iter(signature.inputs.items()))
        if spec.dtype.kind in "fiu" and _PLAIN_NUMBERS.fullmatch(body) is not None:
            return PredictBody(signature, {alias: _numbers(body, alias, spec, budget)}, by_row=True)
    rows = _read(body, budget)
    if header is None:
        header = len(signature.inputs) > 1 or _is_header(rows[0], signature)
    if header:
        return PredictBody(signature, _named(rows, signature, budget), by_row=True)
    if len(signature.inputs) > 1:
        raise InvalidArgumentError(_needs_header(signature))
    alias, spec = next(iter(signature.inputs.items()))
    return PredictBody(signature, {alias: _column(rows, alias, spec, budget, first_line=1)}, by_row=True)


def csv_examples(body: bytes) -> bytes:
    """Rewrite a Classify or Regress body as JSON: its header names the features.

    Args:
        body: The CSV text, UTF-8.

    Returns:
        ``{"examples": [...]}``; unquoted numbers are numbers, everything else is a string.

    Raises:
        InvalidArgumentError: The body is not CSV, or has no rows.
    """
    names, *rows = _read(body, DecodeBudget(len(body)))
    if not rows:
        raise InvalidArgumentError("a CSV body for classify or regress needs a header of feature names and rows")
    examples = []
    for number, row in enumerate(rows, 2):
        _check_width(row, len(names), number)
        features: dict[str, Any] = {}
        for name, cell in zip(names, row, strict=True):
            features.setdefault(name, []).append(typed(cell))
        examples.append({name: values[0] if len(values) == 1 else values for name, values in features.items()})
    return json.dumps({"examples": examples}).encode()


def typed(cell: str) -> int | float | str:
    """A cell as the value it looks like.

    Args:
        cell: Its text.

    Returns:
        A number if it is one, otherwise the text: ``iris,0.5`` is ``["iris", 0.5]``.
    """
    text = cell.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else cell


def encode_csv(outputs: Mapping[str, NDArray[Any]]) -> bytes:
    """Encode a response: a line for each row, the values of all outputs side by side.

    Args:
        outputs: Arrays by output name, each with a row for every instance.

    Returns:
        The CSV text, UTF-8, without a header.

    Raises:
        InvalidArgumentError: An output has no rows, or the outputs differ in their number.
    """
    sizes = {alias: len(array) if array.ndim else None for alias, array in outputs.items()}
    if len(set(sizes.values())) != 1 or None in sizes.values():
        shapes = ", ".join(f"{alias} {list(array.shape)}" for alias, array in outputs.items())
        raise InvalidArgumentError(f"text/csv needs a row of every output for each instance, got {shapes}: accept JSON")
    if len(outputs) == 1 and (array := next(iter(outputs.values()))).dtype.kind in "fiu":
        return _rows_of_numbers(array.reshape(len(array), -1)) if array.size else b""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    flat = [_printable(array).reshape(len(array), -1) for array in outputs.values()]
    for parts in zip(*flat, strict=True):
        writer.writerow([value for part in parts for value in part])
    return text.getvalue().encode("utf-8", "backslashreplace")


def _rows_of_numbers(rows: NDArray[Any]) -> bytes:
    return print_json(rows)[2:-2].replace(b"],[", b"\n") + b"\n"


def _printable(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == object:
        return np.array([value.decode("utf-8", "backslashreplace") for value in array.ravel()], object)
    # The shortest text that round-trips a number.
    return array.astype(str) if array.dtype.kind == "f" else array


def _numbers(body: bytes, alias: str, spec: TensorSpec, budget: DecodeBudget) -> NDArray[Any]:
    """The common case: lines of numbers for the only input, without a Python object for each number."""
    lines = [line for line in body.splitlines() if line.strip()]
    if not lines:
        raise InvalidArgumentError("CSV Parse error: The document is empty")
    columns = lines[0].count(b",") + 1
    for number, line in enumerate(lines, 1):
        if line.count(b",") + 1 != columns:
            raise _ragged(number, line.count(b",") + 1, columns)
    shape = (len(lines),) if _is_bare(columns, spec) else (len(lines), columns)
    budget.hold(2 * len(body))
    text = b'{"instances":[' + b",".join(lines) + b"]}"
    if (array := decode_dense(text, alias, spec.dtype, budget)) is not None:
        return array.reshape(shape)
    # Numbers that JSON writes differently: .5, +1, nan.
    budget.hold(_CELLS_FACTOR * len(body))
    # Integers are parsed as such: a float could not hold all of them.
    kind = np.float64 if spec.dtype.kind == "f" else np.dtype(f"{spec.dtype.kind}8")
    try:
        parsed = np.array(b",".join(lines).split(b","), dtype=bytes).astype(kind)
    except (ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"CSV Parse error: {error}: input {alias} expects {spec.type_name}") from None
    _check_range(parsed, alias, spec, names_infinity=b"inf" in body.lower())
    spend(budget, parsed.size * spec.dtype.itemsize, alias)
    return parsed.astype(spec.dtype).reshape(shape)


def _check_range(parsed: NDArray[Any], alias: str, spec: TensorSpec, *, names_infinity: bool) -> None:
    dtype: np.dtype[Any] = spec.dtype
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    finite = parsed[np.isfinite(parsed)]
    is_beyond = finite.size and not (limits.min <= finite.min() and finite.max() <= limits.max)
    if is_beyond or (np.isinf(parsed).any() and not names_infinity):
        raise InvalidArgumentError(f"CSV: a number is beyond {spec.type_name}, which input {alias} expects")


def _read(body: bytes, budget: DecodeBudget) -> list[list[str]]:
    budget.hold(_CELLS_FACTOR * len(body))
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        rows = [row for row in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True) if row]
    except UnicodeDecodeError:
        raise InvalidArgumentError("CSV Parse error: the body is not UTF-8") from None
    except csv.Error as error:
        raise InvalidArgumentError(f"CSV Parse error: {error}") from None
    if not rows:
        raise InvalidArgumentError("CSV Parse error: The document is empty")
    return rows


def _is_header(first: Sequence[str], signature: Signature) -> bool:
    """Whether the first line of a body for a single input can only be a header: numbers have no names."""
    alias, spec = next(iter(signature.inputs.items()))
    return spec.dtype.kind in "fiub" and all(cell.strip() == alias for cell in first)


def _named(rows: list[list[str]], signature: Signature, budget: DecodeBudget) -> dict[str, NDArray[Any]]:
    names = [name.strip() for name in rows[0]]
    missing = [alias for alias in signature.inputs if alias not in names and alias not in signature.defaults]
    unknown = [name for name in names if name not in signature.inputs]
    if missing or unknown:
        raise InvalidArgumentError(
            f"{_needs_header(signature)}; the first line is {','.join(names)[:200]!r}"
            + (f", without {', '.join(missing)}" if missing else "")
        )
    if len(rows) == 1:
        raise InvalidArgumentError("the CSV body has a header but no rows")
    for number, row in enumerate(rows[1:], 2):
        _check_width(row, len(names), number)
    arrays = {}
    for alias in dict.fromkeys(names):
        at = [index for index, name in enumerate(names) if name == alias]
        cells = [[row[index] for index in at] for row in rows[1:]]
        arrays[alias] = _column(cells, alias, signature.inputs[alias], budget, first_line=2)
    return arrays


def _column(
    rows: list[list[str]], alias: str, spec: TensorSpec, budget: DecodeBudget, *, first_line: int
) -> NDArray[Any]:
    """The array of one input, from its cells line by line."""
    columns = len(rows[0])
    for number, row in enumerate(rows, first_line):
        _check_width(row, columns, number)
    values = [[_value(cell, alias, spec, number) for cell in row] for number, row in enumerate(rows, first_line)]
    return decode_value([row[0] for row in values] if _is_bare(columns, spec) else values, spec, budget)


def _is_bare(columns: int, spec: TensorSpec) -> bool:
    """Whether instances are bare values: lines of one column, unless the model wants a list of one."""
    return columns == 1 and (spec.shape is None or len(spec.shape) != 2)


def _value(cell: str, alias: str, spec: TensorSpec, line: int) -> Any:
    """A cell as a JSON value for the input's type."""
    kind = spec.dtype.kind
    if kind == "O":
        return cell
    value: Any = _BOOLEANS.get(cell.strip().lower()) if kind == "b" else typed(cell)
    if value is None or isinstance(value, str):
        raise InvalidArgumentError(
            f"CSV line {line}: {cell[:40]!r} is not of {spec.type_name}, which input {alias} expects"
        )
    return value


def _check_width(row: Sequence[str], columns: int, line: int) -> None:
    if len(row) != columns:
        raise _ragged(line, len(row), columns)


def _ragged(line: int, got: int, columns: int) -> InvalidArgumentError:
    return InvalidArgumentError(f"CSV line {line} has {got} columns, and the lines before it have {columns}")


def _needs_header(signature: Signature) -> str:
    return f"the first CSV line must name the model's inputs: {', '.join(signature.inputs)}"
