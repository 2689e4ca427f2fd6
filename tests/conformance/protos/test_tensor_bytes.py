"""Bytes that one side makes parse on the other with equal content, for every dtype, shape and form of the values."""

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from tensorflow.core.framework import tensor_pb2 as tf_tensor
from tensorflow_serving.apis import predict_pb2 as tf_predict

from serverless_dnn.protos.dtypes import numpy_dtype, value_field
from serverless_dnn.protos.tensor import decode_tensor, encode_tensor
from serverless_dnn.protos.v1 import predict_pb2, tensor_pb2

_NUMPY_DTYPES = [
    *(
        np.dtype(name)
        for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16")
    ),
    *(np.dtype(name) for name in ("uint32", "uint64", "bool", "complex64", "complex128")),
]
_SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
_ARRAYS = st.sampled_from(_NUMPY_DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, _SHAPES))
_EXTENDED = [
    ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz,
    ml_dtypes.float8_e4m3b11fnuz, ml_dtypes.float8_e5m2fnuz, ml_dtypes.int4, ml_dtypes.uint4,
]  # fmt: skip


def _same(left: NDArray[np.generic], right: NDArray[np.generic]) -> None:
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    assert left.tobytes() == right.tobytes()


@given(_ARRAYS)
def test_tensorflow_reads_what_we_write(array: NDArray[np.generic]) -> None:
    message = tf_tensor.TensorProto.FromString(encode_tensor(array).SerializeToString())

    _same(tf.make_ndarray(message), array)
    # TensorFlow's own decoder, in C++, not only its Python twin
    _same(tf.io.parse_tensor(encode_tensor(array).SerializeToString(), array.dtype).numpy(), array)


@given(_ARRAYS)
def test_we_read_what_tensorflow_writes(array: NDArray[np.generic]) -> None:
    as_content = tensor_pb2.TensorProto.FromString(tf.io.serialize_tensor(array).numpy())
    as_values = tensor_pb2.TensorProto.FromString(tf.make_tensor_proto(array, shape=array.shape).SerializeToString())

    _same(decode_tensor(as_content), array)
    _same(decode_tensor(as_values), array)


@pytest.mark.parametrize("dtype", _EXTENDED, ids=lambda dtype: np.dtype(dtype).name)
def test_types_numpy_lacks(dtype: type) -> None:
    array = np.arange(6).astype(dtype).reshape(2, 3)

    _same(tf.io.parse_tensor(encode_tensor(array).SerializeToString(), array.dtype).numpy(), array)
    # TensorFlow has no operation that writes these, only its Python side does.
    written = tf.make_tensor_proto(array).SerializeToString()
    _same(decode_tensor(tensor_pb2.TensorProto.FromString(written)), array)


_LISTED = [
    number
    for number in tensor_pb2.DataType.values()
    if number not in (tensor_pb2.DT_INVALID, tensor_pb2.DT_RESOURCE, tensor_pb2.DT_VARIANT)
    and not number > 30
    and number not in (tensor_pb2.DT_INT4, tensor_pb2.DT_UINT4)
]


@settings(deadline=None)
@given(data=st.data(), size=st.integers(1, 6))
@pytest.mark.parametrize("data_type", _LISTED, ids=tensor_pb2.DataType.Name)
def test_value_lists_of_any_length(data_type: int, data: st.DataObject, size: int) -> None:
    """A list shorter than the shape is filled with its last value; TensorFlow's C++ decoder is the judge."""
    count = data.draw(st.integers(1, size))
    message = tensor_pb2.TensorProto(dtype=data_type)
    message.tensor_shape.dim.add(size=size)
    field = value_field(data_type)
    if field == "string_val":
        message.string_val.extend(data.draw(st.lists(st.binary(max_size=5), min_size=count, max_size=count)))
    elif field == "float8_val":
        message.float8_val = data.draw(st.binary(min_size=count, max_size=count))
    elif field == "half_val":
        message.half_val.extend(data.draw(st.lists(st.integers(0, 0x7BFF), min_size=count, max_size=count)))
    else:
        values = data.draw(hnp.arrays(numpy_dtype(data_type), count))
        if values.dtype.kind == "c":
            values = np.stack([values.real, values.imag], axis=1).ravel()
        getattr(message, field).extend(values.tolist())
    expected = tf.io.parse_tensor(message.SerializeToString(), data_type)

    decoded = decode_tensor(message)

    if data_type == tensor_pb2.DT_STRING:
        assert decoded.tolist() == expected.numpy().tolist()
        assert decoded.shape == expected.shape
    elif tf.as_dtype(data_type).is_quantized:
        assert decoded.tolist() == tf.bitcast(expected, numpy_dtype(data_type)).numpy().tolist()
    else:
        _same(decoded, expected.numpy())


@given(st.lists(st.one_of(st.binary(max_size=300), st.text(max_size=20)), max_size=5))
def test_strings_both_ways(strings: list[str | bytes]) -> None:
    array = np.empty(len(strings), object)
    array[:] = strings
    expected = [value.encode() if isinstance(value, str) else value for value in strings]

    assert tf.io.parse_tensor(encode_tensor(array).SerializeToString(), tf.string).numpy().tolist() == expected
    assert decode_tensor(encode_tensor(array)).tolist() == expected


def test_strings_as_raw_content() -> None:
    """TensorFlow's raw form of strings: all lengths, then all bytes."""
    content = b"\x01\x00\xac\x02" + b"a" + b"b" * 300
    message = tensor_pb2.TensorProto(dtype=tensor_pb2.DT_STRING, tensor_content=content)
    message.tensor_shape.dim.add(size=3)

    assert decode_tensor(message).tolist() == [b"a", b"", b"b" * 300]
    assert tf.io.parse_tensor(message.SerializeToString(), tf.string).numpy().tolist() == [b"a", b"", b"b" * 300]


@given(st.dictionaries(st.text(max_size=8), _ARRAYS, max_size=3), st.lists(st.text(max_size=5), max_size=2))
def test_whole_requests_both_ways(inputs: dict[str, NDArray[np.generic]], outputs: list[str]) -> None:
    request = predict_pb2.PredictRequest(
        inputs={name: encode_tensor(array) for name, array in inputs.items()}, output_filter=outputs, client_id=b"me"
    )
    request.model_spec.name = "model"
    request.model_spec.version.value = 7

    theirs = tf_predict.PredictRequest.FromString(request.SerializeToString())
    back = predict_pb2.PredictRequest.FromString(theirs.SerializeToString())

    assert back == request
    assert theirs.model_spec.version.value == 7
    for name, array in inputs.items():
        _same(tf.make_ndarray(theirs.inputs[name]), array)
