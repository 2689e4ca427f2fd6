"""Examples of classify and regress: features by name, as messages and as JSON."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from serverless_dnn.client.errors import RequestError
from serverless_dnn.protos.v1 import example_pb2


def input_of(examples: Sequence[Mapping[str, ArrayLike]]) -> example_pb2.Input:
    """The examples as a message.

    Args:
        examples: Features by name.

    Returns:
        The message.

    Raises:
        RequestError: There are no examples, or a feature has no such form.
    """
    _check(examples)
    message = example_pb2.Input()
    for example in examples:
        features = message.example_list.examples.add().features.feature
        for name, value in example.items():
            values = _values(name, value)
            feature = features[name]
            if isinstance(values[0] if values else 0.0, bytes):
                feature.bytes_list.value.extend(values)
            elif values and isinstance(values[0], int):
                feature.int64_list.value.extend(values)
            else:
                feature.float_list.value.extend(values)
    return message


def json_of(examples: Sequence[Mapping[str, ArrayLike]]) -> list[dict[str, Any]]:
    """The examples as JSON values.

    Args:
        examples: Features by name.

    Returns:
        The value of ``examples`` in a classify or regress request.

    Raises:
        RequestError: There are no examples, or a feature has no such form.
    """
    _check(examples)
    return [{name: _json(_values(name, value), value) for name, value in example.items()} for example in examples]


def _check(examples: Sequence[Mapping[str, ArrayLike]]) -> None:
    if not isinstance(examples, Sequence) or not all(isinstance(example, Mapping) for example in examples):
        raise RequestError(
            f"examples must be a list of features by name, such as [{{'age': 39}}], got {type(examples).__name__}"
        )
    if not examples:
        raise RequestError("examples must not be empty")


def _values(name: str, value: ArrayLike) -> list[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise RequestError(f"feature {name} cannot be made an array: {error}") from None
    if array.ndim > 1:
        raise RequestError(f"feature {name} must be a value or a list of values, got an array of shape {array.shape}")
    values = array.ravel().tolist()
    if array.dtype.kind in "OSU":
        return [_bytes(name, each) for each in values]
    if array.dtype.kind in "biu":
        return [int(each) for each in values]
    if array.dtype.kind == "f":
        return values
    raise RequestError(f"feature {name} must hold numbers or texts, got {array.dtype}")


def _bytes(name: str, value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    raise RequestError(f"feature {name} must hold numbers or texts, got {type(value).__name__}")


def _json(values: list[Any], given: ArrayLike) -> Any:
    listed = [_text(value) if isinstance(value, bytes) else value for value in values]
    return listed if np.ndim(given) else listed[0]


def _text(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode("ascii")}
