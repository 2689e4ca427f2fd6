"""ModelInfer messages: every datatype both ways, read in place, and nothing made that the sender merely asks for."""

import tracemalloc
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.protos.dtypes import data_type_of
from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.protos.v1.open_inference_pb2 import InferTensorContents, ModelInferRequest, ModelInferResponse
from serverless_dnn.runtime.codecs import open_inference
from serverless_dnn.runtime.errors import InvalidArgumentError, UnimplementedError

MAX_BYTES = 1 << 20
NUMBERS = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
SHAPES = hnp.array_shapes(min_dims=0, min_side=0, max_side=5)
NUMBER_ARRAYS = st.sampled_from(NUMBERS).flatmap(lambda dtype: hnp.arrays(dtype, SHAPES))
STRING_ARRAYS = hnp.arrays(object, SHAPES, elements=st.binary(max_size=8))
BFLOAT16_ARRAYS = hnp.arrays("u2", SHAPES).map(lambda bits: bits.view(ml_dtypes.bfloat16))
ARRAYS = st.dictionaries(st.text(max_size=4), NUMBER_ARRAYS | STRING_ARRAYS | BFLOAT16_ARRAYS, max_size=4)


def _encode(outputs: Mapping[str, NDArray[Any]]) -> ModelInferResponse:
    return ModelInferResponse.FromString(open_inference.encode_infer_response("m", 3, "id", outputs))


def _decode(request: ModelInferRequest, max_bytes: int = MAX_BYTES) -> dict[str, NDArray[Any]]:
    return _decode_bytes(request.SerializeToString(), max_bytes)[1]


def _decode_bytes(body: bytes, max_bytes: int = MAX_BYTES) -> tuple[ModelInferRequest, dict[str, NDArray[Any]]]:
    budget = DecodeBudget(max_bytes)
    message, inputs = open_inference.split_infer_request(body, budget)
    return message, open_inference.decode_inputs(inputs, lambda _: None, budget)


def _assert_same(decoded: Mapping[str, NDArray[Any]], arrays: Mapping[str, NDArray[Any]]) -> None:
    assert list(decoded) == list(arrays)
    for name, array in arrays.items():
        assert (decoded[name].dtype, decoded[name].shape) == (array.dtype, array.shape)
        if array.dtype == object:
            assert decoded[name].tolist() == array.tolist()
        else:
            assert decoded[name].tobytes() == array.tobytes()


@given(ARRAYS)
def test_raw_contents_both_ways(arrays: dict[str, NDArray[Any]]) -> None:
    response = _encode(arrays)
    assert (response.model_name, response.model_version, response.id) == ("m", "3", "id")
    request = ModelInferRequest(raw_input_contents=response.raw_output_contents)
    for output in response.outputs:
        request.inputs.add(name=output.name, datatype=output.datatype, shape=output.shape)

    _assert_same(_decode(request), arrays)


@given(st.dictionaries(st.text(max_size=4), NUMBER_ARRAYS.filter(lambda array: array.dtype != "f2") | STRING_ARRAYS))
def test_typed_contents(arrays: dict[str, NDArray[Any]]) -> None:
    fields = {"b": "bool", "i": "int", "u": "uint", "O": "bytes"} | {f"f{size}": f"fp{size * 8}" for size in (4, 8)}
    fields |= {"i8": "int64", "u8": "uint64"}
    request = ModelInferRequest()
    for name, array in arrays.items():
        field = fields.get(f"{array.dtype.kind}{array.dtype.itemsize}") or fields[array.dtype.kind]
        contents = InferTensorContents(**{f"{field}_contents": array.ravel().tolist()})
        datatype = open_inference.datatype_of(data_type_of(array.dtype))
        request.inputs.add(name=name, datatype=datatype, shape=array.shape, contents=contents)

    decoded = _decode(request)

    assert list(decoded) == list(arrays)
    for name, array in arrays.items():
        assert decoded[name].dtype == array.dtype
        np.testing.assert_array_equal(decoded[name], array)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_request_or_refused(body: bytes) -> None:
    try:
        message, _ = _decode_bytes(body)
    except (InvalidArgumentError, UnimplementedError):
        return

    assert not message.raw_input_contents


def test_raw_contents_are_not_copied() -> None:
    request = ModelInferRequest(raw_input_contents=[bytes(400_000)])
    request.inputs.add(name="x", datatype="FP32", shape=[100_000])
    body = request.SerializeToString()

    tracemalloc.start()
    try:
        _, arrays = _decode_bytes(body)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 100_000
    assert np.shares_memory(arrays["x"], np.frombuffer(body, np.uint8))
    assert not arrays["x"].flags.writeable


def test_too_many_fields_are_refused_before_they_are_parsed() -> None:
    request = ModelInferRequest(raw_input_contents=[bytes(4)])
    request.inputs.add(name="x", datatype="FP32", shape=[1])
    for _ in range(20_000):
        request.outputs.add()

    with pytest.raises(InvalidArgumentError, match="must not have more than 10000 fields"):
        _decode(request)


def test_the_limit_is_the_callers() -> None:
    request = ModelInferRequest(raw_input_contents=[bytes(400)])
    request.inputs.add(name="x", datatype="FP32", shape=[100])

    assert _decode(request, max_bytes=400)["x"].shape == (100,)
    with pytest.raises(InvalidArgumentError, match="takes 400 bytes, more than the 399 allowed"):
        _decode(request, max_bytes=399)


def test_big_endian_arrays_are_written_little_endian() -> None:
    assert _encode({"y": np.array([1], ">i4")}).raw_output_contents[0] == b"\x01\x00\x00\x00"


def test_a_type_without_a_name_is_refused() -> None:
    with pytest.raises(UnimplementedError, match="no datatype for DT_COMPLEX64"):
        open_inference.datatype_of(tensor_pb2.DT_COMPLEX64)


ONE = np.float32(1).tobytes()


def _x(datatype: str = "FP32", shape: tuple[int, ...] = (1,), **contents: Any) -> Any:
    tensor = ModelInferRequest.InferInputTensor(name="x", datatype=datatype, shape=shape)
    if contents:
        tensor.contents.MergeFrom(InferTensorContents(**contents))
    return tensor


def _bytes(*inputs: Any, raw: tuple[bytes, ...] = ()) -> bytes:
    return ModelInferRequest(inputs=inputs, raw_input_contents=raw).SerializeToString()


MALFORMED = {
    "a product beyond 64 bits": (_bytes(_x(shape=(2**62, 2**62)), raw=(ONE,)), "too large"),
    "a huge size beside 0": (_bytes(_x(shape=(2**61, 2**61, 0)), raw=(b"",)), "too large"),
    "100 dimensions": (_bytes(_x(shape=(1,) * 100), raw=(ONE,)), "100 dimensions"),
    "INT8 overflow": (_bytes(_x("INT8", int_contents=[128])), "INT8 must be within -128 and 127, got 128 to 128"),
    "INT16 underflow": (_bytes(_x("INT16", int_contents=[-32769])), "within -32768 and 32767"),
    "UINT8 overflow": (_bytes(_x("UINT8", uint_contents=[256])), "UINT8 must be within 0 and 255"),
    "typed FP16": (_bytes(_x("FP16", fp32_contents=[1])), "FP16 has no typed contents: send raw_input_contents"),
    "typed BF16": (_bytes(_x("BF16", fp32_contents=[1])), "BF16 has no typed contents"),
    "a BOOL of 2": (_bytes(_x("BOOL"), raw=(b"\x02",)), "a raw BOOL must be 0 or 1, got 2"),
    "BYTES without a length": (_bytes(_x("BYTES"), raw=(b"abc",)), "end within string 1"),
    "BYTES cut short": (_bytes(_x("BYTES"), raw=(b"\x04\0\0\0abc",)), "end within string 1"),
    "BYTES of 4 GB": (_bytes(_x("BYTES"), raw=(b"\xff\xff\xff\xffabc",)), "end within string 1"),
    "too few BYTES": (_bytes(_x("BYTES", (2,)), raw=(b"\x01\0\0\0a",)), "must be 2 strings, got 1"),
    "too many BYTES": (_bytes(_x("BYTES"), raw=(b"\x01\0\0\0a" * 2,)), "hold more"),
    "2^40 BYTES": (_bytes(_x("BYTES", (2**40,)), raw=(b"",)), "more than the"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_not_well_formed_is_refused_in_words(case: str) -> None:
    body, text = MALFORMED[case]

    with pytest.raises(InvalidArgumentError) as raised:
        _decode_bytes(body)

    assert text in str(raised.value)
