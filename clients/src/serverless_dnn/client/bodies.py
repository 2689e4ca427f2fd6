"""Encode arrays as HTTP bodies and decode them: TensorFlow Serving's JSON, ``.npy`` and protobuf."""

import base64
import io
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import ArrayLike, NDArray

from serverless_dnn.client.errors import RequestError, ResponseError
from serverless_dnn.client.messages import ModelAddress, decode_response, encode_request

BodyFormat = Literal["json", "npy", "protobuf"]
CONTENT_TYPES: dict[BodyFormat, str] = {
    "json": "application/json",
    "npy": "application/x-npy",
    "protobuf": "application/x-protobuf",
}


def encode_body(body_format: BodyFormat, address: ModelAddress, inputs: Mapping[str, ArrayLike]) -> bytes:
    """Encode a Predict request.

    Args:
        body_format: ``json`` (TensorFlow Serving's, by row if all inputs have the same number of rows), ``npy`` (one
            input), or ``protobuf``.
        address: The model; JSON and protobuf carry its signature.
        inputs: Arrays by input name.

    Returns:
        The body.

    Raises:
        RequestError: The arrays cannot be encoded in this format.
    """
    if body_format == "protobuf":
        return encode_request(address, inputs)
    arrays = {name: np.asarray(array) for name, array in inputs.items()}
    if body_format == "npy":
        if len(arrays) != 1 or address.signature_name:
            raise RequestError(f"npy carries one array for the default signature, got {list(arrays)}: use protobuf")
        body = io.BytesIO()
        try:
            np.save(body, next(iter(arrays.values())), allow_pickle=False)
        except ValueError as error:
            raise RequestError(f"this array has no npy form, use json or protobuf: {error}") from None
        return body.getvalue()
    document: dict[str, Any] = {"signature_name": address.signature_name} if address.signature_name else {}
    rows = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
    printable = {name: _printable(name, array) for name, array in arrays.items()}
    if len(rows) == 1 and 0 not in rows:
        if len(arrays) == 1:
            document["instances"] = next(iter(printable.values()))
        else:
            count = rows.pop()
            document["instances"] = [{name: printable[name][row] for name in printable} for row in range(count)]
    else:
        document["inputs"] = printable
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def _printable(name: str, array: NDArray[Any]) -> Any:
    if array.dtype.kind in "OSU":
        return _strings(array.tolist())
    if array.dtype.kind not in "fiub":
        raise RequestError(f"input {name} of type {array.dtype} has no JSON form: use protobuf")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise RequestError(f"input {name} holds NaN or infinity, which have no standard JSON form: use protobuf or npy")
    return np.ascontiguousarray(array) if array.ndim else array.item()


def _strings(value: Any) -> Any:
    if isinstance(value, list):
        return [_strings(item) for item in value]
    return value if isinstance(value, str) else {"b64": base64.b64encode(value).decode("ascii")}


def decode_body(
    content_type: str, body: bytes, output_name: str, output_dtype: np.dtype[Any] | None
) -> tuple[dict[str, NDArray[Any]], int | None]:
    """Decode a Predict response.

    Args:
        content_type: The body's content type.
        body: The bytes.
        output_name: The name for a single output: neither JSON nor npy carries it.
        output_dtype: The type of JSON numbers; ``None`` means float64 and int64.

    Returns:
        Arrays by output name, and the version that answered if the body includes it.

    Raises:
        ResponseError: The body does not match its content type, or has an unsupported one.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == CONTENT_TYPES["protobuf"]:
        return decode_response(body)
    if media_type == CONTENT_TYPES["npy"]:
        try:
            return {output_name: np.load(io.BytesIO(body), allow_pickle=False)}, None
        except (ValueError, EOFError, OSError) as error:
            raise ResponseError(f"the answer is not npy: {error}") from None
    if media_type != CONTENT_TYPES["json"]:
        raise ResponseError(f"the answer is of type {media_type or 'none'}, not one of {list(CONTENT_TYPES.values())}")
    try:
        document = orjson.loads(body)
        if "predictions" in document:
            return _decode_rows(document["predictions"], output_name, output_dtype), None
        columns = document["outputs"]
        if isinstance(columns, dict) and set(columns) != {"b64"}:
            return {name: _array(value, output_dtype) for name, value in columns.items()}, None
        return {output_name: _array(columns, output_dtype)}, None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ResponseError(f"the answer is not a Predict answer in JSON: {error!r}") from None


def _decode_rows(rows: list[Any], output_name: str, dtype: np.dtype[Any] | None) -> dict[str, NDArray[Any]]:
    if rows and isinstance(rows[0], dict) and set(rows[0]) != {"b64"}:
        return {name: _array([row[name] for row in rows], dtype) for name in rows[0]}
    return {output_name: _array(rows, dtype)}


def _array(value: Any, dtype: np.dtype[Any] | None) -> NDArray[Any]:
    probe = value
    while isinstance(probe, list) and probe:
        probe = probe[0]
    if isinstance(probe, (str, dict)):
        return np.array(_bytes(value), object)
    return np.array(value, dtype)


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    return base64.b64decode(value["b64"], validate=True) if isinstance(value, dict) else value.encode()
