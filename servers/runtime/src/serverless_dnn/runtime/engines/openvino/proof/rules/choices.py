"""Booleans, conversions to integers, and selections by them."""

import math
from collections.abc import Sequence

import numpy as np

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.engines.openvino.proof.call import Call
from serverless_dnn.runtime.engines.openvino.proof.facts import Facts, Number, constant_facts, joined
from serverless_dnn.runtime.engines.openvino.proof.rules.base import Results, is_integer
from serverless_dnn.runtime.engines.openvino.proof.sizes import LARGEST


def compares(call: Call) -> Results:
    """A comparison."""
    if is_integer(call.inputs[0].data_type):
        call.check_exact_integers(call.inputs)
    return [call.result(0, 1, data_type=tensor_pb2.DT_BOOL, finite=True, exact=True)]


def logic(call: Call) -> Results:
    """Boolean functions of booleans."""
    return [call.result(0, 1, data_type=tensor_pb2.DT_BOOL, exact=True)]


def selects(call: Call) -> Results:
    """Each element from one input or the other, selected by a third."""
    chosen, other = call.inputs[1], call.inputs[2]
    low, high = joined((chosen, other))
    if (wrapped := wrapped_index(call.inputs)) is not None:
        index, size = wrapped
        if index.low >= -size and index.high < size:
            low, high = 0, size - 1
    result = call.result(
        low,
        high,
        data_type=chosen.data_type,
        finite=chosen.finite and other.finite,
        exact=True,
    )
    if is_integer(chosen.data_type):
        call.check_exact_integers([chosen, other])
    return [result]


def wrapped_index(inputs: Sequence[Facts]) -> tuple[Facts, int] | None:
    """The index i and the size n of Keras' ``where(i < 0, i + n, i)``; ``None`` for inputs of another SelectV2.

    Args:
        inputs: The inputs of the SelectV2.
    """
    condition, chosen, other = inputs
    if condition.operator != "Less" or condition.inputs[0] is not other or condition.inputs[1].scalar != 0:
        return None
    if chosen.operator not in ("Add", "AddV2") or chosen.inputs[0] is not other:
        return None
    size = chosen.inputs[1].scalar
    return (other, int(size)) if size is not None and size > 0 else None


def casts(call: Call) -> Results:
    """A cast whose values fit the type they are cast to."""
    known, target = call.inputs[0], call.attribute("DstT")
    if known.data_type == target:
        return [known]
    low, high = known.within
    if known.value is not None and is_integer(target) and is_integer(known.data_type):
        return [constant_facts(target, known.value.astype(np.int64))]
    if target == tensor_pb2.DT_BOOL:
        if known.varies and not (low >= 0 and high <= 1 and known.exact and is_integer(known.data_type)):
            call.objections.append("casts to bool values that may be other than 0 and 1")
        return [call.result(0, 1, data_type=target, exact=True)]
    if not is_integer(target):
        return [call.result(low, high, data_type=target, exact=target == tensor_pb2.DT_FLOAT and is_small(known))]
    if known.varies:
        _check_cast_to_integer(call, known, target)
    if known.value is not None and not is_integer(known.data_type):
        low, high = math.trunc(low), math.trunc(high)
    return [call.result(low, high, data_type=target, finite=True, exact=True)]


def is_small(facts: Facts) -> bool:
    """Whether every value is an integer that float32 represents exactly.

    Args:
        facts: The tensor.
    """
    return facts.data_type == tensor_pb2.DT_BOOL or (
        is_integer(facts.data_type) and facts.low >= -LARGEST and facts.high <= LARGEST
    )


def _check_cast_to_integer(call: Call, known: Facts, target: int) -> None:
    limits: tuple[Number, Number] = (-(2**31), 2**31 - 1)
    if target in (tensor_pb2.DT_UINT8, tensor_pb2.DT_INT8):
        limits = (0, 255) if target == tensor_pb2.DT_UINT8 else (-128, 127)
    is_float = known.data_type in (tensor_pb2.DT_FLOAT, tensor_pb2.DT_BFLOAT16)
    if is_float and not known.exact:
        call.objections.append("rounds computed numbers to integers, where the last bit decides")
    if is_float:
        limits = max(limits[0], -LARGEST), min(limits[1], LARGEST)
    if not (limits[0] <= known.low and known.high <= limits[1]):
        call.objections.append(f"casts values that may be outside {limits[0]} to {limits[1]}")


def puts_one(call: Call) -> Results:
    """OneHot of indices in range."""
    depth = call.inputs[1].scalar
    indices = call.inputs[0]
    if depth is None or depth < 1:
        call.objections.append("has a depth that is not known")
    elif indices.varies and not (indices.low >= 0 and indices.high < depth):
        call.objections.append(f"takes indices that may be outside 0 to {depth - 1}")
    low, high = joined(call.inputs[2:4])
    return [call.result(low, high, data_type=call.inputs[2].data_type, finite=True, exact=True)]


def finds_bucket(call: Call) -> Results:
    """Bucketize of values that equal TensorFlow's bit for bit."""
    if call.inputs[0].varies and not call.inputs[0].exact:
        call.objections.append("sorts computed numbers into buckets, where the last bit decides")
    boundaries = call.attribute("boundaries", ())
    return [call.result(0, len(boundaries), data_type=tensor_pb2.DT_INT32, finite=True, exact=True)]


def rounds(call: Call) -> Results:
    """Floor, Ceil and Round of values that equal TensorFlow's bit for bit."""
    known = call.inputs[0]
    if known.varies and not known.exact:
        call.objections.append("rounds computed numbers, where the last bit decides")
    return [call.result(known.low - 1, known.high + 1, exact=True)]
