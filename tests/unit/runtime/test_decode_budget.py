"""A message says how much memory it wants before it is given any, whichever way it asks for it."""

import tracemalloc

import numpy as np
import pytest

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.predict_wire import encode_predict_request
from serverless_dnn.protos.v1 import classification_pb2, model_spec_pb2, predict_pb2, tensor_pb2
from serverless_dnn.protos.v1.open_inference_pb2 import ModelInferRequest
from serverless_dnn.protos.wire_format import encode_key, encode_varint
from serverless_dnn.runtime.codecs import open_inference, predict_proto
from serverless_dnn.runtime.codecs.examples_proto import check_examples
from serverless_dnn.runtime.errors import InvalidArgumentError

LIMIT = 1 << 20


def _field(number: int, content: bytes) -> bytes:
    return encode_key(number) + encode_varint(len(content)) + content


def _input(name: bytes, tensor: bytes) -> bytes:
    return _field(2, _field(1, name) + _field(2, tensor))


def _one_value(count: int, elements: int) -> bytes:
    """Inputs that give one value and ask for many."""
    tensor = tensor_pb2.TensorProto(dtype=tensor_pb2.DT_FLOAT, float_val=[1])
    tensor.tensor_shape.dim.add(size=elements)
    return b"".join(_input(b"%d" % number, tensor.SerializeToString()) for number in range(count))


_FLOAT = tensor_pb2.TensorProto(dtype=tensor_pb2.DT_FLOAT).SerializeToString()
_STRING = tensor_pb2.TensorProto(dtype=tensor_pb2.DT_STRING).SerializeToString()
_LONG = tensor_pb2.TensorProto(dtype=tensor_pb2.DT_INT64).SerializeToString()
HOSTILE = {
    "one value each": (_one_value(60, 1 << 18), "bytes left of the 1048576 allowed"),
    "two-byte fields": (b"\x1a\x00" * 200_000, "must not have more than 10000 fields"),
    "unknown two-byte fields": (b"\x78\x00" * 200_000, "must not have more than 10000 fields"),
    "inputs": (b"".join(_input(b"%d" % number, b"") for number in range(20_000)), "more than 10000 fields"),
    "values of one input": (_field(2, b"\x12\x00" * 200_000), "an entry that is not a name and a tensor"),
    "dimensions": (_input(b"x", _FLOAT + _field(2, b"\x12\x00" * 100_000)), "more than 64 dimensions"),
    "empty strings": (_input(b"x", _STRING + b"\x42\x00" * 200_000), "a list of values takes"),
    "small integers": (_input(b"x", _LONG + _field(10, b"\x01" * 400_000)), "a list of values takes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_predict_request_of_little_that_asks_for_much(name: str) -> None:
    body, text = HOSTILE[name]
    assert len(body) < 500_000
    tracemalloc.start()
    try:
        with pytest.raises(InvalidArgumentError, match=text):
            budget = DecodeBudget(LIMIT)
            _, tensors = predict_proto.split_predict_request(body, budget)
            predict_proto.decode_inputs(tensors, lambda _: None, budget)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 8 * LIMIT


def test_types_without_arrays_are_not_even_parsed() -> None:
    nested = b"\x7a\x00" * 100_000 + b"\x72\x00" * 100_000

    request, tensors = predict_proto.split_predict_request(_input(b"x", _FLOAT + nested), DecodeBudget(LIMIT))

    assert not request.inputs
    assert not tensors["x"].proto.variant_val


def test_names_types_and_shapes_are_checked_before_arrays_are_made() -> None:
    body = _one_value(1, 1 << 17)

    def refuse(given: object) -> None:
        raise InvalidArgumentError("not this one")

    budget = DecodeBudget(LIMIT)
    _, tensors = predict_proto.split_predict_request(body, budget)
    assert (tensors["0"].dtype, tensors["0"].shape) == (np.float32, (1 << 17,))
    with pytest.raises(InvalidArgumentError, match="not this one"):
        predict_proto.decode_inputs(tensors, refuse, budget)

    assert budget.left_bytes == LIMIT


def test_an_honest_request_is_within_its_own_size() -> None:
    x = np.ones((100, 100), np.float32)
    body = encode_predict_request(model_spec_pb2.ModelSpec(name="m"), {"x": x}, ["y"])
    budget = DecodeBudget(x.nbytes)

    request, tensors = predict_proto.split_predict_request(body, budget)

    assert isinstance(request, predict_pb2.PredictRequest)
    assert predict_proto.decode_inputs(tensors, lambda _: None, budget)["x"].tolist() == x.tolist()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"\x22\x00" * 200_000, "must not have more than 10000 fields"),
        (b"\x3a\x00" * 200_000, "must not have more than 10000 fields"),
        (_field(5, _field(1, b"x") + _field(2, b"INT64") + _field(5, _field(3, b"\x01" * 400_000))), "typed contents"),
        (
            ModelInferRequest(
                inputs=[ModelInferRequest.InferInputTensor(name="x", datatype="BYTES", shape=[50_000])],
                raw_input_contents=[bytes(200_000)],
            ).SerializeToString(),
            "a tensor of 50000 strings takes",
        ),
    ],
)
def test_an_infer_request_of_little_that_asks_for_much(body: bytes, text: str) -> None:
    budget = DecodeBudget(LIMIT)
    with pytest.raises(InvalidArgumentError, match=text):
        open_inference.decode_inputs(open_inference.split_infer_request(body, budget)[1], lambda _: None, budget)


@pytest.mark.parametrize(
    "inside",
    [
        b"\x0a\x00" * 100_000,
        _field(1, _field(1, b"\x0a\x00" * 100_000)),
        _field(1, _field(1, _field(1, _field(1, b"x") + _field(2, _field(1, b"\x0a\x00" * 100_000))))),
        _field(1, _field(1, _field(1, _field(1, b"x") + _field(2, _field(3, _field(1, b"\x01" * 200_000)))))),
    ],
)
def test_rows_of_little_that_ask_for_much(inside: bytes) -> None:
    body = _field(2, _field(1, inside))
    classification_pb2.ClassificationRequest.FromString(body)

    with pytest.raises(InvalidArgumentError, match="more than the"):
        check_examples(body, "ClassificationRequest", DecodeBudget(LIMIT))


def test_honest_rows_are_within_their_limit() -> None:
    request = classification_pb2.ClassificationRequest()
    for _ in range(1000):
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(1)

    check_examples(request.SerializeToString(), "ClassificationRequest", DecodeBudget(LIMIT))
