"""Encode arrays as HTTP bodies and decode them: TensorFlow Serving's JSON, ``.npy`` and protobuf."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import ArrayLike, NDArray

from serverless_dnn.client.errors import RequestError, ResponseError
from serverless_dnn.client.inputs import as_array
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.specs import Signature, TensorSpec
from serverless_dnn.client.wire.messages import decode_response, encode_request

WireFormat = Literal["json", "npy", "protobuf"]
CONTENT_TYPES: dict[WireFormat, str] = {
    "json": "application/json",
    "npy": "application/x-npy",
    "protobuf": "application/x-protobuf",
}


def encode_body(
    body_format: WireFormat, address: ModelAddress, inputs: Mapping[str, ArrayLike], signature: Signature | None = None
) -> bytes:
    """Encode a Predict request.

    Args:
        body_format: ``json`` (TensorFlow Serving's, by row if all inputs have the same number of rows), ``npy`` (one
            input), or ``protobuf``.
        address: The model; JSON and protobuf carry its signature.
        inputs: Arrays by input name.
        signature: The signature, if known: a model with outputs without rows is asked by column.

    Returns:
        The body.

    Raises:
        RequestError: The arrays cannot be encoded in this format.
    """
    if body_format == "protobuf":
        return encode_request(address, inputs)
    arrays = {name: _as_array(name, array) for name, array in inputs.items()}
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
    if len(rows) == 1 and 0 not in rows and _answers_by_row(signature):
        if len(arrays) == 1:
            document["instances"] = next(iter(printable.values()))
        else:
            count = rows.pop()
            document["instances"] = [{name: printable[name][row] for name in printable} for row in range(count)]
    else:
        document["inputs"] = printable
    return dump_json(document)


def dump_json(document: object) -> bytes:
    """Print a JSON document.

    Args:
        document: JSON values, and numpy arrays of numbers.

    Returns:
        The text.

    Raises:
        RequestError: It has no JSON form.
    """
    try:
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise RequestError(f"this request has no JSON form: {error}") from None


def load_json(body: bytes, what: str) -> Any:
    """Read a JSON document that a server answered with.

    Args:
        body: The text.
        what: What it should be, for the message.

    Returns:
        Its value.

    Raises:
        ResponseError: It is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ResponseError(f"the answer is not {what}: {error}; it begins with {body[:100]!r}") from None


def _as_array(name: str, given: ArrayLike) -> NDArray[Any]:
    try:
        return as_array(given)
    except ValueError as error:
        raise RequestError(f"input {name} cannot be made an array: {error}") from None


def _answers_by_row(signature: Signature | None) -> bool:
    if signature is None:
        return True
    return all(spec.shape is None or spec.shape[:1] == (None,) for spec in signature.outputs.values())


def _printable(name: str, array: NDArray[Any]) -> Any:
    if array.dtype.kind in "OSU":
        return _texts(name, array.tolist())
    if array.dtype.kind == "V" and not array.dtype.fields:
        # The short floats of ml_dtypes: each is a float32 as well.
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise RequestError(f"input {name} of type {array.dtype} has no JSON form: use protobuf")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise RequestError(f"input {name} holds NaN or infinity, which have no standard JSON form: use protobuf or npy")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    return np.ascontiguousarray(array) if array.ndim else array.item()


def _texts(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(name, item) for item in value]
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode("ascii")}
    raise RequestError(f"input {name} must hold numbers or texts, got {type(value).__name__}")


def decode_body(
    content_type: str,
    body: bytes,
    signature: Signature | None = None,
    *,
    output_names: Sequence[str] = (),
    output_name: str = "predictions",
    output_dtype: np.dtype[Any] | None = None,
) -> tuple[dict[str, NDArray[Any]], int | None]:
    """Decode a Predict response.

    Args:
        content_type: The body's content type.
        body: The bytes.
        signature: The signature, if known: it has the names and types that JSON and npy do not carry.
        output_names: The outputs asked for; empty means all.
        output_name: Without a signature, the name of a single output.
        output_dtype: Without a signature, the type of JSON numbers; ``None`` means float64 and int64.

    Returns:
        Arrays by output name, and the version that answered if the body includes it.

    Raises:
        ResponseError: The body does not match its content type, or has an unsupported one.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == CONTENT_TYPES["protobuf"]:
        return decode_response(body)
    specs = {} if signature is None else signature.outputs
    wanted = [name for name in specs if not output_names or name in output_names]
    single = wanted[0] if len(wanted) == 1 else output_name
    if media_type == CONTENT_TYPES["npy"]:
        try:
            return {single: np.load(io.BytesIO(body), allow_pickle=False)}, None
        except (ValueError, EOFError, OSError) as error:
            raise ResponseError(f"the answer is not npy: {error}") from None
    if media_type != CONTENT_TYPES["json"]:
        raise ResponseError(
            f"the answer is of type {media_type or 'none'}, not one of {', '.join(CONTENT_TYPES.values())}; it begins "
            f"with {body[:100]!r}"
        )
    document = load_json(body, "a Predict answer in JSON")
    try:
        columns = _columns(document, single)
        if single in columns and len(columns) == 1 and len(specs) > 1:
            # All of one output: a server that leaves names out tells no others.
            specs = {}
        return {
            name: _array(value, specs.get(name), output_dtype)
            for name, value in columns.items()
            if not output_names or name in output_names or name == single
        }, None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ResponseError(f"the answer is not a Predict answer in JSON: {error!r}") from None


def _columns(document: Any, single: str) -> dict[str, Any]:
    """The value of each output, from rows or columns."""
    if not isinstance(document, dict):
        raise TypeError(f"expected an object, got {type(document).__name__}")
    if "predictions" in document:
        rows = document["predictions"]
        if isinstance(rows, list) and rows and isinstance(rows[0], dict) and set(rows[0]) != {"b64"}:
            return {name: [row[name] for row in rows] for name in rows[0]}
        return {single: rows}
    columns = document["outputs"]
    if isinstance(columns, dict) and set(columns) != {"b64"}:
        return columns
    return {single: columns}


def _array(value: Any, spec: TensorSpec | None, dtype: np.dtype[Any] | None) -> NDArray[Any]:
    if spec is not None:
        dtype = spec.dtype
    probe = value
    while isinstance(probe, list) and probe:
        probe = probe[0]
    if isinstance(probe, (str, dict)):
        array: NDArray[Any] = np.array(_bytes(value), object)
    else:
        array = np.array(value, dtype)
        if array.dtype.kind == "O":
            raise TypeError(f"expected numbers or texts, got {type(probe).__name__}")
    if spec is not None and spec.shape is not None and not array.size and array.ndim < len(spec.shape):
        # Nothing is left of the dimensions after an empty one.
        array = array.reshape(array.shape + tuple(size or 0 for size in spec.shape[array.ndim :]))
    return array


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    return base64.b64decode(value["b64"], validate=True) if isinstance(value, dict) else value.encode()
