"""Tensors that are not well formed are refused, in words, without the memory they ask for."""

import tracemalloc

import numpy as np
import pytest

from serverless_dnn.protos.tensor import TensorCodecError, decode_tensor, encode_tensor
from serverless_dnn.protos.v1 import tensor_pb2 as pb


def _tensor(dtype: int, sizes: list[int], **fields: object) -> pb.TensorProto:
    shape = pb.TensorShapeProto(dim=[pb.TensorShapeProto.Dim(size=size) for size in sizes])
    return pb.TensorProto(dtype=dtype, tensor_shape=shape, **fields)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (_tensor(pb.DT_FLOAT, [-1], float_val=[1]), "negative"),
        (_tensor(pb.DT_FLOAT, [2**31], float_val=[1]), "more than the"),
        (_tensor(pb.DT_FLOAT, [2**62, 2**62], float_val=[1]), "too large"),
        (_tensor(pb.DT_FLOAT, [2**62, 4, 0], float_val=[]), "too large"),
        (_tensor(pb.DT_FLOAT, [1] * 100, float_val=[1]), "too large"),
        (_tensor(pb.DT_DOUBLE, [2**30, 2**30, 0], double_val=[]), "too large"),
        (_tensor(pb.DT_FLOAT, [-(2**63)] * 1000, float_val=[1]), "too large"),
        (_tensor(pb.DT_STRING, [2**40], string_val=[b"a"]), "more than the"),
        (_tensor(pb.DT_FLOAT, [2], tensor_content=b"1234567"), "must be 8 bytes, got 7"),
        (_tensor(pb.DT_FLOAT, [0], tensor_content=b"1234"), "must be 0 bytes, got 4"),
        (_tensor(pb.DT_INT32, [2], int_val=[1, 2, 3]), "must not list more values, got 3"),
        (_tensor(pb.DT_COMPLEX64, [2], scomplex_val=[1, 2, 3]), "pairs"),
        (_tensor(pb.DT_STRING, [3], tensor_content=b"\x01\x01"), "cut short after 2 lengths"),
        (_tensor(pb.DT_STRING, [1], tensor_content=b"\xff" * 11), "cut short"),
        (_tensor(pb.DT_STRING, [1], tensor_content=b"\x09abc"), "must be 10 bytes, got 4"),
        (_tensor(pb.DT_RESOURCE, [1]), "DT_RESOURCE has no numpy form"),
        (_tensor(pb.DT_VARIANT, [1]), "DT_VARIANT has no numpy form"),
        (_tensor(pb.DT_INVALID, [1]), "DT_INVALID has no numpy form"),
        (_tensor(101, [1]), "DataType 101 has no numpy form"),
        (pb.TensorProto(dtype=pb.DT_FLOAT, tensor_shape=pb.TensorShapeProto(unknown_rank=True)), "unknown_rank"),
    ],
)
def test_malformed_tensors_are_refused(message: pb.TensorProto, reason: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TensorCodecError, match=reason):
            decode_tensor(message)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 1 << 20


def test_the_limit_is_the_callers() -> None:
    message = _tensor(pb.DT_DOUBLE, [100], double_val=[1.5])

    assert decode_tensor(message, max_bytes=800).tolist() == [1.5] * 100
    with pytest.raises(TensorCodecError, match="takes 800 bytes, more than the 799 allowed"):
        decode_tensor(message, max_bytes=799)


def test_no_values_are_zeros() -> None:
    """TensorFlow's decoder gives zeros; proto3 cannot tell an empty list from an absent one."""
    assert decode_tensor(_tensor(pb.DT_INT64, [2, 2])).tolist() == [[0, 0], [0, 0]]
    assert decode_tensor(_tensor(pb.DT_STRING, [2])).tolist() == [b"", b""]


def test_raw_content_is_not_copied() -> None:
    array = decode_tensor(_tensor(pb.DT_FLOAT, [2], tensor_content=b"\x00" * 8))

    assert not array.flags.owndata
    assert not array.flags.writeable


def test_big_endian_arrays_are_written_little_endian() -> None:
    assert encode_tensor(np.array([1], ">i4")).tensor_content == b"\x01\x00\x00\x00"


@pytest.mark.parametrize(
    ("value", "reason"), [(np.array(["2020"], "datetime64[Y]"), "datetime64"), ([None], "NoneType"), ([{}], "dict")]
)
def test_what_has_no_tensor_form_is_refused(value: object, reason: str) -> None:
    with pytest.raises(TensorCodecError, match=reason):
        encode_tensor(np.asarray(value))
