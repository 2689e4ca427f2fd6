"""REST bodies for Classify and Regress: JSON objects of features in, scores out.

The rules follow https://www.tensorflow.org/tfx/serving/api_rest#classify_and_regress_api.
"""

import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.v1 import classification_pb2, example_pb2, regression_pb2
from serverless_dnn.runtime.codecs.json_document import Constant, parse_json
from serverless_dnn.runtime.codecs.json_text import print_json
from serverless_dnn.runtime.codecs.json_values import decode_base64, is_base64_object
from serverless_dnn.runtime.errors import InvalidArgumentError

_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1
_MAX_FLOAT = float(np.finfo(np.float32).max)


def decode_examples_json(body: bytes, budget: DecodeBudget) -> tuple[str, example_pb2.Input]:
    """Decode a request.

    Args:
        body: The JSON text, with the keys ``signature_name``, ``context`` and ``examples``.
        budget: The request's memory budget.

    Returns:
        The signature's name, empty if not given, and the rows.

    Raises:
        InvalidArgumentError: The body does not follow the format.
    """
    document = parse_json(body, budget)
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgumentError("'signature_name' key must be a string value.")
    rows = document.get("examples")
    if not isinstance(rows, list) or not rows:
        raise InvalidArgumentError("classify and regress expect the key 'examples', a list of at least one object")
    given = example_pb2.Input()
    examples = [_example(row, f"example {index}") for index, row in enumerate(rows)]
    if "context" in document:
        given.example_list_with_context.context.CopyFrom(_example(document["context"], "context"))
        given.example_list_with_context.examples.extend(examples)
    else:
        given.example_list.examples.extend(examples)
    return name, given


def encode_classifications_json(result: classification_pb2.ClassificationResult) -> bytes:
    """Encode a classification.

    Args:
        result: The classes of each row.

    Returns:
        ``{"results": [[[label, score], ...], ...]}``; NaN and infinities are bare words, as in TensorFlow Serving.
    """
    rows = [[[item.label, _shortest(item.score)] for item in row.classes] for row in result.classifications]
    return print_json({"results": rows})


def encode_regressions_json(result: regression_pb2.RegressionResult) -> bytes:
    """Encode a regression.

    Args:
        result: A value for each row.

    Returns:
        ``{"results": [value, ...]}``.
    """
    return print_json({"results": [_shortest(row.value) for row in result.regressions]})


def _shortest(value: float) -> float:
    """The double whose text is the shortest that round-trips the float."""
    return float(str(np.float32(value)))


def _example(features: object, where: str) -> example_pb2.Example:
    if not isinstance(features, Mapping):
        raise InvalidArgumentError(f"{where} must be an object of features, got {_kind(features)}")
    example = example_pb2.Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        _fill(example.features.feature[name], values, f"{where}, feature {name}")
    return example


def _fill(feature: example_pb2.Feature, values: list[Any], where: str) -> None:
    kinds = {_kind(value) for value in values}
    if len(kinds) > 1:
        raise InvalidArgumentError(f"{where}: values of several kinds in one list: {', '.join(sorted(kinds))}")
    for kind in kinds:
        if kind == "integer":
            if not all(_MIN_INT64 <= value <= _MAX_INT64 for value in values):
                raise InvalidArgumentError(f"{where}: an integer is beyond int64")
            feature.int64_list.value.extend(int(value) for value in values)
        elif kind == "number":
            if any(abs(value) > _MAX_FLOAT and not isinstance(value, Constant) for value in values):
                raise InvalidArgumentError(f"{where}: a number is beyond float32")
            feature.float_list.value.extend(values)
        elif kind == "string":
            feature.bytes_list.value.extend(_bytes(value, where) for value in values)
        else:
            raise InvalidArgumentError(f"{where}: expected numbers, booleans or strings, got {kind}")


def _kind(value: object) -> str:
    if is_base64_object(value):
        return "string"
    # bool is an int in Python, and an integer feature in TensorFlow Serving.
    kinds = ((int, "integer"), (float, "number"), (str, "string"), (dict, "object"), (list, "list"))
    return next((kind for type_, kind in kinds if isinstance(value, type_)), "null")


def _bytes(value: Any, where: str) -> bytes:
    try:
        if isinstance(value, str):
            return value.encode()
        return decode_base64(value["b64"])
    except (binascii.Error, ValueError) as error:
        raise InvalidArgumentError(f"{where}: b64 is not base64: {error}") from None
