"""CSV in and out: numbers, strings, quoting, headers, and errors that say which line is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.v1 import signature_pb2, tensor_pb2
from serverless_dnn.runtime.errors import InvalidArgumentError, PayloadTooLargeError
from serverless_dnn.runtime.saved_model.signature import Signature, TensorSpec, read_signatures
from serverless_dnn.sagemaker_tfserving.bodies.csv_bodies import csv_examples, decode_csv, encode_csv, typed

FLOAT, DOUBLE, INT32, UINT8, INT64, STRING, BOOL = (
    tensor_pb2.DT_FLOAT,
    tensor_pb2.DT_DOUBLE,
    tensor_pb2.DT_INT32,
    tensor_pb2.DT_UINT8,
    tensor_pb2.DT_INT64,
    tensor_pb2.DT_STRING,
    tensor_pb2.DT_BOOL,
)


def _signatures(**inputs: tuple[Any, tuple[int | None, ...] | None]) -> dict[str, Signature]:
    specs = {name: TensorSpec(name, kind, shape, f"{name}:0") for name, (kind, shape) in inputs.items()}
    return {"serving_default": Signature("serving_default", "", specs, {}, signature_pb2.SignatureDef())}


def _decode(body: str, header: bool | None = None, **inputs: Any) -> dict[str, NDArray[Any]]:
    decoded = decode_csv(body.encode(), _signatures(**inputs), DecodeBudget(1 << 20), header=header)
    assert decoded.by_row
    return dict(decoded.inputs)


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        ("1.0", FLOAT, [1.0]),
        ("1.0\n2.0\n5.0", FLOAT, [1.0, 2.0, 5.0]),
        ("1.0,2.0,5.0", FLOAT, [[1.0, 2.0, 5.0]]),
        ("1,2\r\n3,4\r\n", FLOAT, [[1, 2], [3, 4]]),
        ("\n1, 2\n\n3,\t4\n", FLOAT, [[1, 2], [3, 4]]),
        (".5,+1,1.,-2e-3", DOUBLE, [[0.5, 1.0, 1.0, -0.002]]),
        ("nan,inf,-Infinity", FLOAT, [[np.nan, np.inf, -np.inf]]),
        ('"1.5","2"', FLOAT, [[1.5, 2.0]]),
        ("007,-8", INT32, [[7, -8]]),
        ("9007199254740993,1", INT64, [[9007199254740993, 1]]),
        ("9007199254740993,+1", INT64, [[9007199254740993, 1]]),
        ("true,FALSE,1,0", BOOL, [[True, False, True, False]]),
    ],
)
def test_numbers(body: str, kind: Any, expected: list[Any]) -> None:
    array = _decode(body, x=(kind, None))["x"]

    np.testing.assert_array_equal(array, np.array(expected, array.dtype))
    assert array.shape == np.array(expected).shape


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("iris,0.5,1.0,1.5", [["iris", "0.5", "1.0", "1.5"]]),
        ("a word\nanother", ["a word", "another"]),
        ('"a, quoted ""word""",b\nc,d', [['a, quoted "word"', "b"], ["c", "d"]]),
        ('"two\nlines",b', [["two\nlines", "b"]]),
        ("é,日本", [["é", "日本"]]),
        ("\ufeffa,b", [["a", "b"]]),
    ],
)
def test_strings(body: str, expected: list[Any]) -> None:
    array = _decode(body, words=(STRING, None))["words"]

    assert np.vectorize(bytes.decode)(array).tolist() == expected


def test_a_cell_is_the_value_it_looks_like() -> None:
    assert [typed(cell) for cell in ("iris", "0.5", "1.0", "7", "-3", "1e3", " x")] == [
        "iris",
        0.5,
        1.0,
        7,
        -3,
        1000.0,
        " x",
    ]


def test_a_header_names_the_inputs() -> None:
    inputs = {"ids": (INT32, (None, 2)), "words": (STRING, (None,)), "scale": (FLOAT, (None, 1))}

    decoded = _decode('words,ids,scale,ids\n"a,b",1,0.5,2\nc,3,1.5,4\n', **inputs)

    assert decoded["ids"].tolist() == [[1, 2], [3, 4]]
    assert decoded["words"].tolist() == [b"a,b", b"c"]
    assert decoded["scale"].tolist() == [[0.5], [1.5]]


def test_a_header_of_a_single_input() -> None:
    assert _decode("x,x\n1,2\n3,4", x=(FLOAT, None))["x"].tolist() == [[1, 2], [3, 4]]
    assert _decode("words\na", header=True, words=(STRING, None))["words"].tolist() == [b"a"]
    assert _decode("words\na", words=(STRING, None))["words"].tolist() == [b"words", b"a"]


@pytest.mark.parametrize(
    ("body", "header", "inputs", "message"),
    [
        ("", None, {"x": (FLOAT, None)}, "The document is empty"),
        (" \n", None, {"x": (FLOAT, None)}, "The document is empty"),
        ("1,2\n3", None, {"x": (FLOAT, None)}, "CSV line 2 has 1 columns, and the lines before it have 2"),
        ("a,b\nc", None, {"x": (STRING, None)}, "CSV line 2 has 1 columns"),
        ("1,,2", None, {"x": (FLOAT, None)}, "input x expects DT_FLOAT"),
        ("1,two", None, {"x": (FLOAT, None)}, "CSV line 1: 'two' is not of DT_FLOAT"),
        ("1.5", None, {"x": (INT32, None)}, "DT_INT32"),
        ("300", None, {"x": (UINT8, None)}, "beyond DT_UINT8"),
        ("1e39", None, {"x": (FLOAT, None)}, "beyond DT_FLOAT"),
        ("1e400,.5", None, {"x": (DOUBLE, None)}, "beyond DT_DOUBLE"),
        ('"open', None, {"x": (STRING, None)}, "CSV Parse error: unexpected end of data"),
        ("a,c\n1,2", None, {"a": (FLOAT, None), "b": (FLOAT, None)}, "must name the model's inputs: a, b"),
        ("a\n1", None, {"a": (FLOAT, None), "b": (FLOAT, None)}, "without b"),
        ("1,2", False, {"a": (FLOAT, None), "b": (FLOAT, None)}, "must name the model's inputs: a, b"),
        ("a,b", None, {"a": (FLOAT, None), "b": (FLOAT, None)}, "a header but no rows"),
    ],
)
def test_errors_say_what_is_wrong(body: str, header: bool | None, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        _decode(body, header=header, **inputs)


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(InvalidArgumentError, match="not UTF-8"):
        decode_csv(b"\xff\xfe", _signatures(x=(STRING, None)), DecodeBudget(1 << 20))


def test_arrays_beyond_the_budget() -> None:
    with pytest.raises(PayloadTooLargeError):
        decode_csv(b"1," * 1000 + b"1", _signatures(x=(DOUBLE, None)), DecodeBudget(4000))


def test_of_a_real_model(models: Path) -> None:
    signatures = read_signatures(models / "types" / "1")

    decoded = decode_csv(b"counts,flags,words\n3,true,x\n4,false,y\n", signatures, DecodeBudget(1 << 20))

    assert decoded.inputs["counts"].tolist() == [3, 4]
    assert decoded.inputs["flags"].tolist() == [True, False]
    assert decoded.inputs["words"].tolist() == [b"x", b"y"]


def test_examples() -> None:
    document = json.loads(csv_examples(b"name,x,x\niris,0.5,1\n7,2,3\n"))

    assert document == {"examples": [{"name": "iris", "x": [0.5, 1]}, {"name": 7, "x": [2, 3]}]}


def test_responses() -> None:
    assert encode_csv({"y": np.array([[0.1, 2.0], [np.nan, -1.5]], np.float32)}) == b"0.1,2.0\nNaN,-1.5\n"
    assert encode_csv({"y": np.array([1, 2])}) == b"1\n2\n"
    assert encode_csv({"y": np.zeros((0, 3))}) == b""
    words = np.array([b"a,b", "é".encode()], object)
    assert encode_csv({"words": words, "n": np.array([[1.5], [2.0]])}) == '"a,b",1.5\né,2.0\n'.encode()
    with pytest.raises(InvalidArgumentError, match="a row of every output"):
        encode_csv({"a": np.ones(2), "b": np.ones(3)})
