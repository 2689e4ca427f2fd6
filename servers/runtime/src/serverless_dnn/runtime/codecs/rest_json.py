"""TensorFlow Serving's REST JSON for Predict: row format (``instances``) and column format (``inputs``).

The rules are those of https://www.tensorflow.org/tfx/serving/api_rest. Answers are equal to TensorFlow Serving's as
JSON values; our printing is compact.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from serverless_dnn.runtime.codecs.dense_json import decode_dense
from serverless_dnn.runtime.codecs.general_json import decode_value, is_base64_object, parse_json
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, ServingError, status_of
from serverless_dnn.runtime.saved_model.signature import Signature, TensorSpec

_ORJSON = orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True)
class PredictBody:
    """A decoded Predict request.

    Attributes:
        signature: The signature it is for.
        inputs: Arrays by input name.
        by_row: Whether the answer is wanted row by row, as the request was.
    """

    signature: Signature
    inputs: Mapping[str, NDArray[Any]]
    by_row: bool


def decode_predict_json(body: bytes, find_signature: Callable[[str], Signature]) -> PredictBody:
    """Decode a Predict request.

    An object whose only key is ``b64``, with a string, is a binary string, also where an input is named ``b64``: so
    TensorFlow Serving reads it. Any other object holds named inputs. An input named ``b64`` therefore takes
    ``{"b64": ["..."]}`` as it stands, and a single string as ``{"b64": {"b64": "..."}}``.

    Args:
        body: The JSON text.
        find_signature: Gives the signature of a name; empty means the default.

    Returns:
        The arrays and how to answer.

    Raises:
        InvalidArgumentError: The body is not what the format asks for; the texts are TensorFlow Serving's.
        UnimplementedError: An input has a type that JSON has no form for.
        ServingError: What ``find_signature`` raises.
    """
    if (fast := _decode_single(body, find_signature)) is not None:
        return fast
    document = parse_json(body)
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgumentError("'signature_name' key must be a string value.")
    signature = find_signature(name)
    rows, columns = "instances" in document, "inputs" in document
    if rows and columns:
        raise InvalidArgumentError("Not formatted correctly expecting only one of 'inputs' or 'instances' keys")
    if rows:
        return PredictBody(signature, _decode_rows(document["instances"], signature), by_row=True)
    if columns:
        return PredictBody(signature, _decode_columns(document["inputs"], signature), by_row=False)
    raise InvalidArgumentError("Missing 'inputs' or 'instances' key")


def _decode_single(body: bytes, find_signature: Callable[[str], Signature]) -> PredictBody | None:
    """The common case, without a Python object a number: one dense numeric input."""
    head = body[:200].lstrip()
    by_row = head.startswith(b'{"instances"')
    if not by_row and not head.startswith(b'{"inputs"'):
        return None
    # As many names as the form has, and none after the numbers: not a further key such as signature_name.
    quotes = 4 if not by_row and b"{" in head[1:] else 2
    if body.count(b'"', 0, 400) != quotes or body.count(b'"', max(400, len(body) - 400)) > 0:
        return None
    signature = find_signature("")
    if len(signature.inputs) != 1:
        return None
    alias, spec = next(iter(signature.inputs.items()))
    if spec.type_name not in _DENSE_TYPES:
        return None
    path = ("instances",) if by_row else ("inputs", alias) if b"{" in head[1:] else ("inputs",)
    array = decode_dense(body, spec.dtype, path)
    if array is None or (by_row and not len(array)):
        return None
    return PredictBody(signature, {alias: array}, by_row)


_DENSE_TYPES = frozenset(
    {"DT_FLOAT", "DT_DOUBLE", "DT_INT8", "DT_INT16", "DT_INT32", "DT_INT64", "DT_UINT8", "DT_UINT32", "DT_UINT64"}
)


def _decode_rows(instances: object, signature: Signature) -> dict[str, NDArray[Any]]:
    if not isinstance(instances, list):
        raise InvalidArgumentError("Expecting 'instances' to be an list/array")
    if not instances:
        raise InvalidArgumentError("No values in 'instances' array")
    if isinstance(instances[0], dict) and not is_base64_object(instances[0]):
        return _decode_row_objects(instances, signature)
    if len(signature.inputs) != 1:
        raise InvalidArgumentError(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            f"tensorinfo_map: {', '.join(signature.inputs)}"
        )
    alias, spec = next(iter(signature.inputs.items()))
    return {alias: _stack([_element(index, value, spec) for index, value in enumerate(instances)])}


def _decode_row_objects(instances: list[Any], signature: Signature) -> dict[str, NDArray[Any]]:
    rows: dict[str, list[NDArray[Any]]] = {alias: [] for alias in signature.inputs}
    for index, instance in enumerate(instances):
        if not isinstance(instance, dict) or is_base64_object(instance):
            raise _element_error(
                index, InvalidArgumentError("JSON Value is not an object of named inputs, as those before it are")
            )
        for key in instance:
            if key not in signature.inputs:
                raise InvalidArgumentError(
                    f"Failed to process element: {index} key: {key} of 'instances' list. Error: INVALID_ARGUMENT: "
                    f"JSON object: does not have named input: {key}"
                )
        if len(instance) != len(signature.inputs):
            raise InvalidArgumentError(
                f"Failed to process element: {index} of 'instances' list. JSON object: keys must be equal to: "
                f"{','.join(signature.inputs)}"
            )
        for alias, value in instance.items():
            rows[alias].append(_element(index, value, signature.inputs[alias]))
    return {alias: _stack(arrays) for alias, arrays in rows.items()}


def _element(index: int, value: object, spec: TensorSpec) -> NDArray[Any]:
    try:
        return decode_value(value, spec)
    except ServingError as error:
        raise _element_error(index, error) from None


def _element_error(index: int, error: ServingError) -> ServingError:
    return type(error)(
        f"Failed to process element: {index} of 'instances' list. Error: {status_of(error).name}: {error}"
    )


def _stack(rows: list[NDArray[Any]]) -> NDArray[Any]:
    for index, row in enumerate(rows):
        if row.shape != rows[0].shape:
            got, want = list(row.shape), list(rows[0].shape)
            raise _element_error(index, InvalidArgumentError(f"Expecting tensor size: {want} but got: {got}"))
    return np.stack(rows)


def _decode_columns(columns: object, signature: Signature) -> dict[str, NDArray[Any]]:
    if isinstance(columns, dict) and not is_base64_object(columns):
        if missing := [alias for alias in signature.inputs if alias not in columns]:
            raise InvalidArgumentError(f"Missing named input: {missing[0]} in 'inputs' object.")
        return {alias: decode_value(columns[alias], spec) for alias, spec in signature.inputs.items()}
    if len(signature.inputs) != 1:
        raise InvalidArgumentError(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            f"tensorinfo_map: {', '.join(signature.inputs)}"
        )
    alias, spec = next(iter(signature.inputs.items()))
    return {alias: decode_value(columns, spec)}


def encode_predict_json(outputs: Mapping[str, NDArray[Any]], *, by_row: bool) -> bytes:
    """Encode a Predict answer.

    Args:
        outputs: Arrays by output name.
        by_row: Row by row (``predictions``) or column by column (``outputs``).

    Returns:
        The JSON text; NaN and infinities are the bare words TensorFlow Serving writes.

    Raises:
        InvalidArgumentError: Rows are asked for, and an output has no rows or another number of them.
        FailedPreconditionError: A string output is not UTF-8 and its name does not end in ``_bytes``.
    """
    if not by_row:
        printable = {alias: _printable(alias, array) for alias, array in outputs.items()}
        return print_json({"outputs": next(iter(printable.values())) if len(printable) == 1 else printable})
    sizes = {alias: array.shape[0] if array.ndim else None for alias, array in outputs.items()}
    expected = next(iter(sizes.values()), None)
    for alias, size in sizes.items():
        if size is None:
            raise InvalidArgumentError(f"Tensor name: {alias} has no shape information")
        if size != expected:
            raise InvalidArgumentError(
                f"Tensor name: {alias} has inconsistent batch size: {size} expecting: {expected}"
            )
    printable = {alias: _printable(alias, array) for alias, array in outputs.items()}
    if len(printable) == 1:
        return print_json({"predictions": next(iter(printable.values()))})
    return print_json(
        {"predictions": [{alias: rows[index] for alias, rows in printable.items()} for index in range(expected or 0)]}
    )


def _printable(alias: str, array: NDArray[Any]) -> Any:
    if array.dtype == object:
        return _strings(alias, array.tolist())
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return array.tolist() if array.dtype == np.float64 else _shortest(array).tolist()
    if array.dtype.kind not in "fiub" or array.dtype.itemsize * 8 not in (8, 16, 32, 64):
        raise FailedPreconditionError(f"output {alias} of type {array.dtype} has no JSON form: use protobuf or gRPC")
    return np.ascontiguousarray(array) if array.ndim else array.tolist() if array.dtype != np.float32 else array[()]


def _shortest(array: NDArray[Any]) -> NDArray[Any]:
    """Doubles that print as the shortest text that gives each float back."""
    return array.astype(str).astype(np.float64)


def _strings(alias: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_strings(alias, item) for item in value]
    if alias.endswith("_bytes"):
        return {"b64": base64.b64encode(value).decode("ascii")}
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise FailedPreconditionError(
            f"output {alias} holds bytes that are not UTF-8: give it a name that ends in _bytes to get base64"
        ) from None


def print_json(answer: dict[str, Any]) -> bytes:
    """Print an answer.

    Args:
        answer: Arrays, lists, strings and numbers.

    Returns:
        Compact JSON; NaN and infinities are the bare words TensorFlow Serving writes.
    """
    if _holds_nonfinite(answer):
        return json.dumps(answer, separators=(",", ":"), default=_plain, ensure_ascii=False).encode()
    return orjson.dumps(answer, option=_ORJSON)


def _holds_nonfinite(value: Any) -> bool:
    """Whether lists made for NaN are in the answer: only those hold Python floats."""
    if isinstance(value, dict):
        return any(_holds_nonfinite(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_nonfinite(item) for item in value)
    return isinstance(value, float) and not np.isfinite(value)


def _plain(value: Any) -> Any:
    return _shortest(value).tolist() if value.dtype.kind == "f" else value.tolist()
