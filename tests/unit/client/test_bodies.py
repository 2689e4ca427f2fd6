"""Arrays survive the way through each HTTP body."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from serverless_dnn.client import ModelAddress, RequestError, ResponseError
from serverless_dnn.client.wire.bodies import decode_body, encode_body
from serverless_dnn.protos.tensor import decode_tensor
from serverless_dnn.protos.v1 import predict_pb2

ADDRESS = ModelAddress("model")


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"x": np.float32([[0.1, 2]])}, {"instances": [[0.1, 2.0]]}),
        (
            {"a": np.int32([1, 2]), "b": np.array([b"\xff", b"b"], object)},
            {"instances": [{"a": 1, "b": {"b64": "/w=="}}, {"a": 2, "b": {"b64": "Yg=="}}]},
        ),
        ({"a": np.int32([1, 2]), "b": np.int32([1])}, {"inputs": {"a": [1, 2], "b": [1]}}),
        ({"x": np.float32(3)}, {"inputs": {"x": 3.0}}),
        ({"x": np.zeros((0, 2))}, {"inputs": {"x": []}}),
        ({"x": np.array(["ü"])}, {"instances": ["ü"]}),
        ({"x": np.float32([[1, 2], [3, 4]]).T}, {"instances": [[1.0, 3.0], [2.0, 4.0]]}),
    ],
)
def test_json_is_by_row_where_rows_agree(inputs: dict[str, NDArray[np.generic]], expected: object) -> None:
    assert json.loads(encode_body("json", ADDRESS, inputs)) == expected


def test_json_names_the_signature() -> None:
    body = encode_body("json", ModelAddress("m", signature_name="s"), {"x": np.float32([1])})

    assert json.loads(body) == {"signature_name": "s", "instances": [1.0]}


@given(hnp.arrays(np.float32, hnp.array_shapes()))
def test_npy_and_protobuf_keep_every_bit(array: NDArray[np.float32]) -> None:
    npy, _ = decode_body("application/x-npy", encode_body("npy", ADDRESS, {"x": array}), output_name="y")
    request = predict_pb2.PredictRequest.FromString(encode_body("protobuf", ADDRESS, {"x": array}))

    assert npy["y"].tobytes() == array.tobytes()
    assert decode_tensor(request.inputs["x"]).tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"predictions": [[1, 2.5]]}', {"y": [[1, 2.5]]}),
        (b'{"outputs": [1, 2]}', {"y": [1, 2]}),
        (b'{"outputs": {"a": [1], "b": ["t"]}}', {"a": [1], "b": [b"t"]}),
        (b'{"predictions": [{"a": 1, "b": {"b64": "/w=="}}]}', {"a": [1], "b": [b"\xff"]}),
        (b'{"predictions": [{"b64": "/w=="}]}', {"y": [b"\xff"]}),
        (b'{"predictions": []}', {"y": []}),
    ],
)
def test_json_answers(body: bytes, expected: dict[str, object]) -> None:
    outputs, _ = decode_body("application/json; charset=utf-8", body, output_name="y")

    assert {name: array.tolist() for name, array in outputs.items()} == expected


def test_json_numbers_take_the_type_asked_for() -> None:
    outputs, _ = decode_body(
        "application/json", b'{"predictions": [0.1]}', output_name="y", output_dtype=np.dtype(np.float32)
    )

    assert outputs["y"].dtype == np.float32


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"<html>"),
        ("", b"{}"),
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b'{"error": "x"}'),
        ("application/json", b'{"predictions": [[1], [1, 2]]}'),
        ("application/x-npy", b"abc"),
        ("application/x-protobuf", b"\xff\xff"),
    ],
)
def test_answers_that_are_none(content_type: str, body: bytes) -> None:
    with pytest.raises(ResponseError):
        decode_body(content_type, body, output_name="y")


@pytest.mark.parametrize(
    ("body_format", "inputs", "text"),
    [
        ("json", {"x": np.float32([np.nan])}, "NaN or infinity"),
        ("json", {"x": np.complex64([1])}, "has no JSON form"),
        ("npy", {"x": np.float32([1]), "y": np.float32([1])}, "one array"),
        ("npy", {"x": np.array([b"a"], object)}, "no npy form"),
        ("protobuf", {"x": np.array(["2020"], "datetime64[Y]")}, "input x"),
    ],
)
def test_inputs_without_such_a_form(body_format: str, inputs: dict[str, NDArray[np.generic]], text: str) -> None:
    with pytest.raises(RequestError, match=text):
        encode_body(body_format, ADDRESS, inputs)
