"""Inputs are checked and converted by the signature; what would change numbers is refused, and says what to do."""

import re
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from serverless_dnn.client import RequestError, Signature, TensorSpec
from serverless_dnn.client.inputs import fit_inputs


def _signature(dtype: Any, *shape: int | None) -> Signature:
    spec = TensorSpec("x", "DT_SOMETHING", np.dtype(dtype), shape)
    return Signature("serving_default", "tensorflow/serving/predict", {"x": spec}, {})


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("float32", [1, 2.5], np.float32([1, 2.5])),
        ("float32", [0.1], np.float32([0.1])),
        ("float32", np.float64([0.1]), np.float32([0.1])),
        ("float32", np.arange(3), np.float32([0, 1, 2])),
        ("float32", [np.nan, np.inf], np.float32([np.nan, np.inf])),
        ("float32", np.array([1, 2], ">f4"), np.float32([1, 2])),
        ("float16", [1, 2.5], np.float16([1, 2.5])),
        ("float64", [1], np.float64([1])),
        ("int32", [1, 2], np.int32([1, 2])),
        ("int32", np.int64([2**31 - 1]), np.int32([2**31 - 1])),
        ("uint8", [0, 255], np.uint8([0, 255])),
        ("int64", np.uint8([1]), np.int64([1])),
        ("bool", [True, False], np.array([True, False])),
        ("complex64", [1 + 2j], np.complex64([1 + 2j])),
        (ml_dtypes.bfloat16, [1.5], np.array([1.5], ml_dtypes.bfloat16)),
        (ml_dtypes.float8_e4m3fn, np.float32([1.5]), np.array([1.5], ml_dtypes.float8_e4m3fn)),
        ("float32", [], np.zeros(0, np.float32)),
        ("int32", [], np.zeros(0, np.int32)),
    ],
)
def test_what_a_number_survives_is_converted(dtype: Any, given: Any, expected: Any) -> None:
    found = fit_inputs(_signature(dtype, None), {"x": given})["x"]

    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_an_array_that_fits_is_not_copied() -> None:
    array = np.zeros((2, 3), np.float32)

    assert fit_inputs(_signature("float32", None, 3), {"x": array})["x"] is array


@pytest.mark.parametrize("given", [["a", b"b"], np.array(["a", "b"]), np.array([b"a", "b"], object), "a", b"\xff"])
def test_texts_are_left_to_the_codec(given: Any) -> None:
    shape = (None,) * np.ndim(given)

    assert fit_inputs(_signature(object, *shape), {"x": given})["x"].dtype.kind in "OSU"


@pytest.mark.parametrize(
    ("dtype", "given", "text"),
    [
        ("int32", [1.5], "must be int32[?], got values that make float64: pass numpy.int32"),
        ("int32", np.float32([1]), "must be int32[?], got float32: pass numpy.int32"),
        ("int32", [2**31], "holds numbers from 2147483648 to 2147483648, outside -2147483648 to 2147483647"),
        ("uint8", [-1], "outside 0 to 255"),
        ("float32", np.int64([2**24 + 1]), "holds int64 numbers that float32 cannot"),
        ("float32", [1e300], "holds float64 numbers that float32 cannot"),
        ("float32", ["a"], "must be float32[?], got texts: pass numpy.float32"),
        ("float32", np.array([True]), "got bool"),
        ("bool", [0, 1], "got values that make int64: pass numpy.bool"),
        ("float32", [1j], "got values that make complex128"),
        (object, [1], "must be string[?], got values that make int64: pass bytes or str"),
        ("float32", [[1], [1, 2]], "must be float32[?], and is no array"),
        ("float32", [[1.0]], "must be float32[?], got the shape [1, 1]"),
        ("float32", 1.0, "must be float32[?], got the shape []"),
        ("float32", None, "must be float32[?]"),
    ],
)
def test_what_it_does_not_is_refused_with_what_to_pass(dtype: Any, given: Any, text: str) -> None:
    with pytest.raises(RequestError, match=re.escape(text)):
        fit_inputs(_signature(dtype, None), {"x": given})


def test_fixed_sizes_and_names_are_checked() -> None:
    signature = _signature("float32", None, 224, 224, 3)

    with pytest.raises(RequestError, match=r"must be float32\[\?, 224, 224, 3\], got the shape \[1, 224, 224, 4\]"):
        fit_inputs(signature, {"x": np.zeros((1, 224, 224, 4), np.float32)})
    with pytest.raises(RequestError, match="has no input 'image': it has x"):
        fit_inputs(signature, {"image": 1})
    with pytest.raises(RequestError, match="needs x, got no inputs"):
        fit_inputs(signature, {})


def test_an_input_that_may_have_a_default_is_left_to_the_server() -> None:
    specs = {name: TensorSpec(name, "DT_FLOAT", np.dtype("float32"), None) for name in ("x", "scale")}

    assert list(fit_inputs(Signature("s", "", specs, {}), {"x": [[1]]})) == ["x"]


def test_texts_keep_their_kind_and_their_zero_bytes() -> None:
    found = fit_inputs(_signature(object, None), {"x": ["ü", b"\xff", b"a\0"]})["x"]

    assert found.tolist() == ["ü", b"\xff", b"a\0"]
