"""Estimates the memory of a Classify or Regress request's ``tf.Example`` rows before protobuf parses them."""

from collections.abc import Mapping

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.tensor import TensorCodecError
from serverless_dnn.protos.wire_format import LENGTH_DELIMITED, walk_fields
from serverless_dnn.runtime.errors import InvalidArgumentError

# The message-typed fields of each message, down to the values of a feature.
_INSIDE: Mapping[str, Mapping[int, str]] = {
    "ClassificationRequest": {2: "Input"},
    "RegressionRequest": {2: "Input"},
    "MultiInferenceRequest": {1: "InferenceTask", 2: "Input"},
    "InferenceTask": {},
    "Input": {1: "ExampleList", 2: "ExampleListWithContext"},
    "ExampleList": {1: "Example"},
    "ExampleListWithContext": {1: "Example", 2: "Example"},
    "Example": {1: "Features"},
    "Features": {1: "FeatureEntry"},
    "FeatureEntry": {2: "Feature"},
    "Feature": {1: "BytesList", 2: "FloatList", 3: "Int64List"},
    "BytesList": {},
    "FloatList": {},
    "Int64List": {},
}
# Protobuf's rough overhead per field besides its bytes: a feature's map entry takes the most.
_FIELD_BYTES = 64
# A one-byte varint becomes eight bytes.
_INT64_EXPANSION = 8
_SMALL_BYTES = 1 << 12


def check_examples(body: bytes, message: str, budget: DecodeBudget) -> None:
    """Charge a request's budget for what parsing it will take.

    Args:
        body: The request's bytes.
        message: The name of its type.
        budget: The request's memory budget.

    Raises:
        InvalidArgumentError: It would exceed the budget, or is not such a message.
    """
    if len(body) <= _SMALL_BYTES:
        return
    view = memoryview(body)
    waiting = [(message, 0, len(view))]
    try:
        while waiting:
            kind, begin, end = waiting.pop()
            if kind == "Int64List":
                budget.spend((end - begin) * _INT64_EXPANSION, "a list of integers")
            for field in walk_fields(view, begin, end):
                budget.spend(_FIELD_BYTES, "a field of the request")
                if field.wire_type != LENGTH_DELIMITED:
                    continue
                inside = _INSIDE[kind].get(field.number)
                if inside is not None:
                    waiting.append((inside, field.value, field.end))
                elif kind != "Int64List":
                    budget.spend(field.end - field.value, "a value")
    except TensorCodecError as error:
        raise InvalidArgumentError(str(error)) from None
    except ValueError as error:
        raise InvalidArgumentError(f"the body is not a {message}: {error}") from None
