"""TensorFlow Serving's REST JSON for Predict: row format (``instances``) and column format (``inputs``).

The rules follow https://www.tensorflow.org/tfx/serving/api_rest. Responses equal TensorFlow Serving's as JSON values,
but are printed compactly.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.tensor import MAX_DIMENSIONS
from serverless_dnn.runtime.codecs.dense_json import decode_dense
from serverless_dnn.runtime.codecs.json_document import parse_json
from serverless_dnn.runtime.codecs.json_text import print_json, row_printer
from serverless_dnn.runtime.codecs.json_values import decode_value, is_base64_object
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, ServingError, status_of
from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, Signature, TensorSpec


@dataclass(frozen=True)
class PredictBody:
    """A decoded Predict request.

    Attributes:
        signature: The signature it is for.
        inputs: Arrays by input name.
        output_filter: The requested outputs; empty means all.
        by_row: Whether a JSON response uses the row format, as the request did.
    """

    signature: Signature
    inputs: Mapping[str, NDArray[Any]]
    output_filter: Sequence[str] = ()
    by_row: bool = False


def decode_predict_json(body: bytes, signatures: Mapping[str, Signature], budget: DecodeBudget) -> PredictBody:
    """Decode a Predict request.

    An object whose only key is ``b64``, with a string value, is a binary string, even if an input is named ``b64``:
    that is how TensorFlow Serving parses it. Any other object holds named inputs. An input named ``b64`` therefore
    accepts ``{"b64": ["..."]}`` unchanged, and a single string as ``{"b64": {"b64": "..."}}``.

    Args:
        body: The JSON text.
        signatures: The model's signatures by name.
        budget: The request's memory budget.

    Returns:
        The arrays and the response format.

    Raises:
        InvalidArgumentError: The body does not follow the format; the messages are TensorFlow Serving's.
        PayloadTooLargeError: Its values or arrays do not fit the budget.
        UnimplementedError: An input has a type that JSON cannot represent.
    """
    if (fast := _decode_single(body, signatures, budget)) is not None:
        return fast
    document = parse_json(body, budget)
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgumentError("'signature_name' key must be a string value.")
    signature = find_rest_signature(signatures, name)
    rows, columns = "instances" in document, "inputs" in document
    if rows and columns:
        raise InvalidArgumentError("Not formatted correctly expecting only one of 'inputs' or 'instances' keys")
    if rows:
        return PredictBody(signature, _decode_rows(document["instances"], signature, budget), by_row=True)
    if columns:
        return PredictBody(signature, _decode_columns(document["inputs"], signature, budget))
    raise InvalidArgumentError("Missing 'inputs' or 'instances' key")


def find_rest_signature(signatures: Mapping[str, Signature], name: str) -> Signature:
    """Look up a signature by the name given in a JSON body.

    Args:
        signatures: The model's signatures by name.
        name: Empty means ``serving_default``.

    Returns:
        The signature.

    Raises:
        InvalidArgumentError: The model has no such signature; the message is that of TensorFlow Serving's REST API.
    """
    try:
        return signatures[name or DEFAULT_SIGNATURE]
    except KeyError:
        raise InvalidArgumentError(
            f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in signature def. '
            f"This model has: {', '.join(signatures)}"
        ) from None


def _decode_single(body: bytes, signatures: Mapping[str, Signature], budget: DecodeBudget) -> PredictBody | None:
    """The common case of one dense numeric input, decoded without a Python object per number."""
    signature = signatures.get(DEFAULT_SIGNATURE)
    if signature is None or len(signature.inputs) != 1:
        return None
    alias, spec = next(iter(signature.inputs.items()))
    if spec.type_name not in _DENSE_TYPES or (array := decode_dense(body, alias, spec.dtype, budget)) is None:
        return None
    return PredictBody(signature, {alias: array}, by_row=body[:64].lstrip(b"{ \t\r\n").startswith(b'"instances"'))


_DENSE_TYPES = frozenset(
    {"DT_FLOAT", "DT_DOUBLE", "DT_INT8", "DT_INT16", "DT_INT32", "DT_INT64", "DT_UINT8", "DT_UINT32", "DT_UINT64"}
)


def _decode_rows(instances: object, signature: Signature, budget: DecodeBudget) -> dict[str, NDArray[Any]]:
    if not isinstance(instances, list):
        raise InvalidArgumentError("Expecting 'instances' to be an list/array")
    if not instances:
        raise InvalidArgumentError("No values in 'instances' array")
    if isinstance(instances[0], dict) and not is_base64_object(instances[0]):
        return _decode_row_objects(instances, signature, budget)
    if len(signature.inputs) != 1:
        raise InvalidArgumentError(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            f"tensorinfo_map: {', '.join(signature.inputs)}"
        )
    alias, spec = next(iter(signature.inputs.items()))
    try:
        return {alias: decode_value(instances, spec, budget)}
    except InvalidArgumentError:
        # Decoded row by row for an error that names the row, as TensorFlow Serving's does.
        return {alias: _stack([_element(index, value, spec, budget) for index, value in enumerate(instances)])}


def _decode_row_objects(instances: list[Any], signature: Signature, budget: DecodeBudget) -> dict[str, NDArray[Any]]:
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
            rows[alias].append(_element(index, value, signature.inputs[alias], budget))
    return {alias: _stack(arrays) for alias, arrays in rows.items()}


def _element(index: int, value: object, spec: TensorSpec, budget: DecodeBudget) -> NDArray[Any]:
    try:
        return decode_value(value, spec, budget)
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
    if rows[0].ndim == MAX_DIMENSIONS:
        raise InvalidArgumentError(f"'instances' has more than {MAX_DIMENSIONS} dimensions")
    return np.stack(rows)


def _decode_columns(columns: object, signature: Signature, budget: DecodeBudget) -> dict[str, NDArray[Any]]:
    if isinstance(columns, dict) and not is_base64_object(columns):
        if missing := [alias for alias in signature.inputs if alias not in columns]:
            raise InvalidArgumentError(f"Missing named input: {missing[0]} in 'inputs' object.")
        return {alias: decode_value(columns[alias], spec, budget) for alias, spec in signature.inputs.items()}
    if len(signature.inputs) != 1:
        raise InvalidArgumentError(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            f"tensorinfo_map: {', '.join(signature.inputs)}"
        )
    alias, spec = next(iter(signature.inputs.items()))
    return {alias: decode_value(columns, spec, budget)}


def encode_predict_json(outputs: Mapping[str, NDArray[Any]], *, by_row: bool) -> bytes:
    """Encode a Predict response.

    Args:
        outputs: Arrays by output name.
        by_row: Row by row (``predictions``) or column by column (``outputs``).

    Returns:
        The JSON text; NaN and infinities are bare words, as in TensorFlow Serving.

    Raises:
        InvalidArgumentError: The row format is requested, and an output has no rows or a different number of them.
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
    rows = {
        alias: row_printer(value) if isinstance(value, np.ndarray) else value.__getitem__
        for alias, value in printable.items()
    }
    return print_json(
        {"predictions": [{alias: row(index) for alias, row in rows.items()} for index in range(expected or 0)]}
    )


def _printable(alias: str, array: NDArray[Any]) -> Any:
    if array.dtype == object:
        return _strings(alias, array.tolist())
    if array.dtype.kind not in "fiub" or array.dtype.itemsize * 8 not in (8, 16, 32, 64):
        raise FailedPreconditionError(f"output {alias} of type {array.dtype} has no JSON form: use protobuf or gRPC")
    return np.ascontiguousarray(array) if array.ndim else array


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
