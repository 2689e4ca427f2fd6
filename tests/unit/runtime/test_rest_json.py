"""TensorFlow Serving's REST JSON: its rules, its texts, and equality with a slow and obvious reader."""

import base64
import json
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.v1 import signature_pb2, tensor_pb2
from serverless_dnn.runtime.codecs.dense_json import decode_dense
from serverless_dnn.runtime.codecs.examples_json import decode_examples_json
from serverless_dnn.runtime.codecs.rest_json import decode_predict_json, encode_predict_json
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, UnimplementedError
from serverless_dnn.runtime.saved_model.signature import Signature, TensorSpec

LIMIT = 1 << 20
FLOAT, INT8, INT32, STRING, BOOL = (
    tensor_pb2.DT_FLOAT, tensor_pb2.DT_INT8, tensor_pb2.DT_INT32, tensor_pb2.DT_STRING, tensor_pb2.DT_BOOL
)  # fmt: skip


def _signature(**types: int) -> Signature:
    inputs = {name: TensorSpec(name, data_type, None, f"{name}:0") for name, data_type in sorted(types.items())}
    return Signature("serving_default", "tensorflow/serving/predict", inputs, {}, signature_pb2.SignatureDef())


def _decode(body: object, **types: int) -> dict[str, Any]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = _signature(**types)
    return dict(decode_predict_json(text, {"serving_default": signature, "a]b": signature}, DecodeBudget(LIMIT)).inputs)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"instances": [1, 2.5]}, [1, 2.5]),
        ({"instances": [[1, 2], [3, 4]]}, [[1, 2], [3, 4]]),
        ({"instances": [{"x": 1}, {"x": 2}]}, [1, 2]),
        ({"instances": [{"x": [1, 2]}]}, [[1, 2]]),
        ({"inputs": [[1, 2]]}, [[1, 2]]),
        ({"inputs": 7}, 7),
        ({"inputs": {"x": [1]}}, [1]),
        ({"inputs": {"x": [1], "extra": "ignored"}}, [1]),
        ({"signature_name": "serving_default", "instances": [1]}, [1]),
        ({"instances": [1], "signature_name": "a]b"}, [1]),
        ({"instances": [[], []]}, [[], []]),
        (b' \n{"instances": [1, 2]} \n ', [1, 2]),
        (b'\xef\xbb\xbf{"instances": [1, 2]}', [1, 2]),
        (b'{"instances": [1e2, -0.5E-1]}', [100, -0.05]),
    ],
)
def test_one_float_input(body: object, expected: object) -> None:
    array = _decode(body, x=FLOAT)["x"]

    assert array.dtype == np.float32
    assert array.tolist() == np.array(expected, np.float32).tolist()


def test_nan_and_infinities_are_numbers() -> None:
    array = _decode(b'{"instances": [NaN, Infinity, -Infinity, 1]}', x=FLOAT)["x"]

    assert math.isnan(array[0])
    assert array[1:].tolist() == [math.inf, -math.inf, 1]


def test_several_inputs() -> None:
    types = {"ids": INT32, "name": STRING, "flag": BOOL}
    rows = [{"ids": [1, 2], "name": "a", "flag": True}, {"ids": [3, 4], "name": {"b64": "/w=="}, "flag": False}]
    columns = {name: [row[name] for row in rows] for name in types}

    for decoded in (_decode({"instances": rows}, **types), _decode({"inputs": columns}, **types)):
        assert decoded["ids"].tolist() == [[1, 2], [3, 4]]
        assert decoded["ids"].dtype == np.int32
        assert decoded["name"].tolist() == [b"a", b"\xff"]
        assert decoded["flag"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"  ", "JSON Parse error: The document is empty"),
        (b'{"instances": [1,}', "at offset: 17"),
        (b"\xff", "at offset: 0"),
        (b'"text"', "Is not object"),
        (b'{"instances": [1]} {"instances": [2]}', "must not be followed by other values. at offset: 19"),
        (b'{"instances": [1]}]', "must not be followed by other values. at offset: 18"),
        ({"instances": [1], "inputs": [1]}, "Not formatted correctly expecting only one of"),
        ({"signature_name": "a]b"}, "Missing 'inputs' or 'instances' key"),
        ({"signature_name": 1, "instances": [1]}, "'signature_name' key must be a string"),
        ({"instances": 1}, "Expecting 'instances' to be an list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": [{"junk": 1}]}, "Failed to process element: 0 key: junk of 'instances' list."),
        ({"instances": [{"junk": 1}]}, "JSON object: does not have named input: junk"),
        (
            {"instances": [1, "a"]},
            "element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\" Type: String",
        ),
        ({"instances": [True]}, "JSON Value: true Type: Bool is not of expected type: float"),
        ({"instances": [None]}, "Type: Null is not of expected type: float"),
        ({"instances": [[1, 2], [3]]}, "element: 1 of 'instances' list."),
        ({"inputs": [[1, 2], [3]]}, "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ({"inputs": [[1, 2], 3]}, "Encountered scalar at level: 1"),
        ({"inputs": {"y": 1}}, "Missing named input: x in 'inputs' object."),
        (b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deep"),
        (b'{"instances": [' + b"9" * 5000 + b"]}", "JSON Parse error"),
    ],
)
def test_refusals(body: object, text: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        _decode(body, x=FLOAT)

    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            {"instances": [1, 2]},
            "instances is a plain list, but expecting list of objects as multiple input tensors required",
        ),
        ({"instances": [{"a": 1}]}, "keys must be equal to: a,b"),
        ({"instances": [{"a": 1, "b": 1}, 2]}, "element: 1 of 'instances' list."),
        ({"inputs": [1, 2]}, "inputs is a plain value/list"),
    ],
)
def test_refusals_of_several_inputs(body: object, text: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        _decode(body, a=FLOAT, b=FLOAT)

    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("data_type", "value"),
    [(INT32, 1.0), (INT32, 2**31), (INT8, 128), (INT8, -129), (tensor_pb2.DT_UINT8, -1), (tensor_pb2.DT_UINT64, 2**64)],
)
def test_integers_must_be_integers_of_the_type(data_type: int, value: float) -> None:
    with pytest.raises(InvalidArgumentError, match="is not of expected type"):
        _decode({"instances": [value]}, x=data_type)


def test_types_without_a_json_form() -> None:
    with pytest.raises(UnimplementedError):
        _decode({"instances": [1]}, x=tensor_pb2.DT_HALF)


@pytest.mark.parametrize("value", [{"b64": "not base64"}, {"b64": 1}, {"b64": "YQ==", "more": 1}, 1])
def test_strings_that_are_none(value: object) -> None:
    with pytest.raises(InvalidArgumentError):
        _decode({"inputs": {"x": [value]}}, x=STRING)


@pytest.mark.parametrize("name", ["x", "b64"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"instances": [{"b64": "YQ=="}, {"b64": "/w=="}]}, [b"a", b"\xff"]),
        ({"instances": [{"b64": "YQ=="}, "b"]}, [b"a", b"b"]),
        ({"instances": [[{"b64": "YQ=="}], ["b"]]}, [[b"a"], [b"b"]]),
        ({"inputs": {"b64": "YQ=="}}, b"a"),
        ({"inputs": [{"b64": "YQ=="}, "YQ=="]}, [b"a", b"YQ=="]),
    ],
)
def test_an_object_of_one_string_under_b64_is_a_binary_string(body: object, expected: object, name: str) -> None:
    assert _decode(body, **{name: STRING})[name].tolist() == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"inputs": {"b64": ["YQ==", "b"]}}, [b"YQ==", b"b"]),
        ({"inputs": {"b64": [{"b64": "YQ=="}]}}, [b"a"]),
        ({"inputs": {"b64": {"b64": "YQ=="}}}, b"a"),
        ({"inputs": {"b64": "YQ==", "extra": 1}}, b"YQ=="),
        ({"instances": [{"b64": ["YQ=="]}, {"b64": ["b"]}]}, [[b"YQ=="], [b"b"]]),
        ({"instances": [{"b64": {"b64": "YQ=="}}]}, [b"a"]),
    ],
)
def test_any_other_object_names_the_input_b64(body: object, expected: object) -> None:
    assert _decode(body, b64=STRING)["b64"].tolist() == expected


@pytest.mark.parametrize("body", [{"inputs": {"b64": [1, 2]}}, {"instances": [{"b64": 1}, {"b64": 2}]}])
def test_an_input_named_b64_may_hold_numbers(body: dict[str, Any]) -> None:
    # A further key keeps the body from the fast reader.
    for document in (body, {**body, "signature_name": ""}):
        assert _decode(document, b64=FLOAT)["b64"].tolist() == [1, 2]


def test_an_input_named_b64_beside_another() -> None:
    types = {"b64": STRING, "k": INT32}
    for body in ({"inputs": {"b64": ["YQ=="], "k": [1]}}, {"instances": [{"b64": "YQ==", "k": 1}]}):
        decoded = _decode(body, **types)

        assert {name: array.tolist() for name, array in decoded.items()} == {"b64": [b"YQ=="], "k": [1]}


@pytest.mark.parametrize(
    ("body", "types", "text"),
    [
        ({"inputs": {"b64": "!"}}, {"b64": STRING}, "Unable to base64 decode"),
        ({"inputs": {"b64": "YQ=="}}, {"b64": FLOAT}, "is not of expected type: float"),
        ({"inputs": {"b64": "YQ=="}}, {"b64": STRING, "k": INT32}, "inputs is a plain value/list"),
        ({"inputs": {"b64": ["YQ=="]}}, {"b64": STRING, "k": INT32}, "Missing named input: k"),
        ({"inputs": {"b64": ["YQ=="]}}, {"x": STRING}, "Missing named input: x"),
        ({"instances": [{"b64": 1}]}, {"x": STRING}, "does not have named input: b64"),
        ({"instances": [{"b64": ["a"]}, {"b64": "YQ=="}]}, {"b64": STRING}, "element: 1 of 'instances' list."),
        ({"instances": [{"b64": "YQ=="}, {"b64": ["a"]}]}, {"b64": STRING}, "element: 1 of 'instances' list."),
    ],
)
def test_refusals_about_b64(body: object, types: dict[str, int], text: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        _decode(body, **types)

    assert text in str(raised.value)


def test_a_feature_that_only_looks_like_base64_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="feature name: expected numbers, booleans or strings, got object"):
        decode_examples_json(b'{"examples": [{"name": {"b64": 1}}]}', DecodeBudget(LIMIT))


_NUMBERS = st.one_of(st.integers(-(2**24), 2**24), st.floats(width=32, allow_nan=False, allow_infinity=False))
_RAGGED = st.recursive(_NUMBERS, lambda children: st.lists(children, max_size=4), max_leaves=20)


def _obvious(value: Any) -> NDArray[Any] | None:
    """What the value is as an array; None when it is not one."""
    try:
        return np.array(value, np.float64).astype(np.float32)
    except ValueError:
        return None


@given(value=st.one_of(_RAGGED, hnp.array_shapes(max_dims=4, max_side=4).flatmap(lambda s: hnp.arrays(np.float32, s, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)).map(lambda a: a.tolist()))))  # fmt: skip
def test_the_fast_reader_reads_what_the_obvious_one_reads_and_nothing_else(value: Any) -> None:
    expected = _obvious(value)

    decoded = decode_dense(json.dumps({"inputs": value}).encode(), "x", np.dtype(np.float32), DecodeBudget(LIMIT))

    if not isinstance(value, list) or expected is None:
        assert decoded is None
    elif decoded is not None:
        assert decoded.shape == expected.shape
        assert decoded.tobytes() == expected.tobytes()
    else:
        # Left to the general reader, which must give the same.
        assert _decode({"inputs": value}, x=FLOAT)["x"].tobytes() == expected.tobytes()


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)))
def test_what_we_print_reads_back(array: NDArray[np.float32]) -> None:
    for by_row, key in ((True, "predictions"), (False, "outputs")):
        text = encode_predict_json({"y": array}, by_row=by_row)
        values = np.array(json.loads(text)[key], np.float32)

        np.testing.assert_array_equal(values, array)


def test_each_float_prints_in_its_shortest_form() -> None:
    assert (
        encode_predict_json({"y": np.float32([0.1, 3, 1e10])}, by_row=True)
        == b'{"predictions":[0.1,3.0,10000000000.0]}'
    )
    mixed = encode_predict_json({"y": np.array([0.1, np.nan, np.inf], np.float32)}, by_row=True)
    assert mixed == b'{"predictions":[0.1,NaN,Infinity]}'


def test_several_outputs() -> None:
    outputs = {"a": np.float32([[1, 2], [3, 4]]), "s_bytes": np.array([b"\xff", b"b"], object)}

    rows = orjson.loads(encode_predict_json(outputs, by_row=True))["predictions"]
    columns = orjson.loads(encode_predict_json(outputs, by_row=False))["outputs"]

    assert rows == [{"a": [1, 2], "s_bytes": {"b64": "/w=="}}, {"a": [3, 4], "s_bytes": {"b64": "Yg=="}}]
    assert base64.b64decode(columns["s_bytes"][0]["b64"]) == b"\xff"


def test_answers_that_have_no_rows() -> None:
    with pytest.raises(InvalidArgumentError, match="Tensor name: y has no shape information"):
        encode_predict_json({"y": np.array(1.0, np.float32)}, by_row=True)
    with pytest.raises(InvalidArgumentError, match="inconsistent batch size: 3 expecting: 2"):
        encode_predict_json({"a": np.zeros(2), "b": np.zeros(3)}, by_row=True)
    assert encode_predict_json({"y": np.array(1.0, np.float32)}, by_row=False) == b'{"outputs":1.0}'


def test_bytes_that_are_no_text_need_a_name_that_says_so() -> None:
    with pytest.raises(FailedPreconditionError, match="_bytes"):
        encode_predict_json({"y": np.array([b"\xff"], object)}, by_row=True)
