"""The hand-written way through Predict messages gives what protobuf gives, on any bytes."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from tensorflow_serving.apis import predict_pb2 as tf_predict

from serverless_dnn.protos.predict_wire import (
    decode_predict_request,
    decode_predict_response,
    encode_predict_request,
    encode_predict_response,
)
from serverless_dnn.protos.tensor import TensorCodecError, decode_tensor, encode_tensor
from serverless_dnn.protos.v1 import model_spec_pb2, predict_pb2

_DTYPES = st.sampled_from(
    [
        np.dtype(name)
        for name in ("float32", "float64", "int8", "int64", "uint16", "bool", "complex64", "float16", ">f4")
    ]
)
_SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=30)
_ARRAYS = st.one_of(
    _DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, _SHAPES)), hnp.arrays(object, 3, elements=st.binary(max_size=5))
)
_INPUTS = st.dictionaries(st.text(max_size=8), _ARRAYS, max_size=3)


def _spec(name: str = "m", version: int = 3) -> model_spec_pb2.ModelSpec:
    spec = model_spec_pb2.ModelSpec(name=name, signature_name="s")
    spec.version.value = version
    return spec


def _same(left: NDArray[np.generic], right: NDArray[np.generic]) -> None:
    assert left.shape == right.shape
    assert left.dtype == right.dtype
    assert left.tolist() == right.tolist() if left.dtype == object else left.tobytes() == right.tobytes()


@given(_INPUTS, st.lists(st.text(max_size=5), max_size=2))
def test_what_is_written_is_the_message(inputs: dict[str, NDArray[np.generic]], outputs: list[str]) -> None:
    message = predict_pb2.PredictRequest(
        model_spec=_spec(), inputs={name: encode_tensor(array) for name, array in inputs.items()}, output_filter=outputs
    )
    answer = predict_pb2.PredictResponse(model_spec=_spec(), outputs=message.inputs)

    assert predict_pb2.PredictRequest.FromString(encode_predict_request(_spec(), inputs, outputs)) == message
    assert predict_pb2.PredictResponse.FromString(encode_predict_response(_spec(), inputs)) == answer
    theirs = tf_predict.PredictRequest.FromString(encode_predict_request(_spec(), inputs, outputs))
    assert theirs.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)


@given(_INPUTS)
def test_what_is_read_is_the_message(inputs: dict[str, NDArray[np.generic]]) -> None:
    by_protobuf = predict_pb2.PredictRequest(
        model_spec=_spec(), inputs={n: encode_tensor(a) for n, a in inputs.items()}
    )
    by_values = predict_pb2.PredictRequest(model_spec=_spec())
    for name, array in inputs.items():
        proto = tf.make_tensor_proto(array.astype(array.dtype.newbyteorder("=")), shape=array.shape)
        by_values.inputs[name].MergeFromString(proto.SerializeToString())

    for body in (
        by_protobuf.SerializeToString(),
        by_values.SerializeToString(),
        encode_predict_request(_spec(), inputs, []),
    ):
        rest, arrays = decode_predict_request(body)

        assert rest == predict_pb2.PredictRequest(model_spec=_spec())
        assert set(arrays) == set(inputs)
        for name, array in inputs.items():
            _same(arrays[name], array.astype(array.dtype.newbyteorder("=")) if array.dtype != object else array)
    _, outputs = decode_predict_response(encode_predict_response(_spec(), inputs))
    assert set(outputs) == set(inputs)


def test_raw_bytes_are_views() -> None:
    body = encode_predict_request(_spec(), {"x": np.ones(1000, np.float32)}, [])

    array = decode_predict_request(body)[1]["x"]

    address = np.frombuffer(body, np.uint8).__array_interface__["data"][0]
    assert address < array.__array_interface__["data"][0] < address + len(body)
    assert not array.flags.writeable


def _by_protobuf(body: bytes) -> object:
    try:
        message = predict_pb2.PredictRequest.FromString(body)
        arrays = {name: decode_tensor(tensor, max_bytes=1 << 20) for name, tensor in message.inputs.items()}
    except (DecodeError, TensorCodecError) as error:
        return type(error)
    message.ClearField("inputs")
    return message, {name: (array.dtype, array.shape, array.tolist()) for name, array in sorted(arrays.items())}


def _by_hand(body: bytes) -> object:
    try:
        message, arrays = decode_predict_request(body, max_bytes=1 << 20)
    except (DecodeError, TensorCodecError) as error:
        return type(error)
    return message, {name: (array.dtype, array.shape, array.tolist()) for name, array in sorted(arrays.items())}


_WHOLE = encode_predict_request(_spec(), {"x": np.arange(80, dtype=np.int64), "y": np.ones(2, np.float32)}, ["a"])


@settings(max_examples=400)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.integers(0, len(_WHOLE)).map(lambda size: _WHOLE[:size]),
        st.tuples(st.integers(0, len(_WHOLE) - 1), st.integers(0, 255)).map(
            lambda change: _WHOLE[: change[0]] + bytes([change[1]]) + _WHOLE[change[0] + 1 :]
        ),
        st.tuples(st.integers(0, len(_WHOLE)), st.binary(max_size=12)).map(
            lambda change: _WHOLE[: change[0]] + change[1] + _WHOLE[change[0] :]
        ),
    )
)
@example(_WHOLE + _WHOLE)
@example(b"\x12\x00")
@example(b"\x12\x02\x0a\x00")
@example(b"\x12\x02\x12\x00")
@example(b"\x12\x04\x0a\x00\x12\x00\x12\x04\x0a\x00\x12\x00")
@example(b"\x12\x08\x0a\x01x\x0a\x01y\x12\x00")
@example(b"\x0b\x0c")
@example(b"\x00")
def test_any_bytes_are_read_as_protobuf_reads_them(body: bytes) -> None:
    expected, got = _by_protobuf(body), _by_hand(body)

    # NaN is not equal to itself.
    assert repr(got) == repr(expected)


@pytest.mark.parametrize("name", ["x", "ü"])
def test_errors_name_the_tensor(name: str) -> None:
    with pytest.raises(TensorCodecError, match=f"^{name}: numpy type datetime64"):
        encode_predict_request(_spec(), {name: np.array(["2020"] * 50, "datetime64[Y]")}, [])
    message = predict_pb2.PredictRequest(inputs={name: encode_tensor(np.ones(100))})
    message.inputs[name].tensor_shape.dim[0].size = 99
    with pytest.raises(TensorCodecError, match=f"^{name}: tensor_content of shape"):
        decode_predict_request(message.SerializeToString())
