"""Reductions along dimensions that are not empty."""

import math

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.engines.openvino.proof.call import Call
from serverless_dnn.runtime.engines.openvino.proof.facts import Facts, Number, product
from serverless_dnn.runtime.engines.openvino.proof.rules.base import Results, is_integer
from serverless_dnn.runtime.engines.openvino.proof.sizes import LARGEST, largest_of

_INFINITE = math.inf
_MOST_FACTORS = 64


def reduces(call: Call) -> Results:
    """Sum, Mean, Max, Min, Prod, All and Any over dimensions that are not empty."""
    known, axes = call.inputs
    if known.varies and not _reduces_something(known, axes):
        call.objections.append("reduces a dimension that may be empty")
    low, high = known.within
    operator = call.node.op
    if operator == "Sum":
        count = _count(known, axes)
        low, high = (product(bounds, (1, count))[side] for side, bounds in enumerate(((low, low), (high, high))))
    elif operator == "Prod":
        low, high = _product_bounds(known, axes)
    if is_integer(known.data_type):
        if operator == "Mean" and known.varies:
            call.objections.append("is the mean of integers")
        call.check_exact_integers([known, call.result(low, high)])
    return [call.result(low, high, exact=operator in ("Max", "Min", "All", "Any"), filled=known.filled)]


def _product_bounds(known: Facts, axes: Facts) -> tuple[Number, Number]:
    if not known.varies and known.content is not None:
        return 0, math.prod(largest_of(size) for size in known.content if size is not None)
    count, farthest = _count(known, axes), max(abs(known.low), abs(known.high))
    most = farthest**count if count <= _MOST_FACTORS and farthest < _INFINITE else _INFINITE
    return (0 if known.low >= 0 else -most), most


def _axes(known: Facts, axes: Facts) -> list[int] | None:
    if axes.value is None or known.shape is None:
        return None
    return [int(axis) for axis in axes.value.ravel()]


def _reduces_something(known: Facts, axes: Facts) -> bool:
    if known.filled:
        return True
    listed = _axes(known, axes)
    return listed is not None and all(known.size_of(axis) for axis in listed)


def _count(known: Facts, axes: Facts) -> Number:
    listed = _axes(known, axes)
    sizes = [known.size_of(axis) for axis in listed] if listed is not None else [None]
    return math.prod(size for size in sizes if size is not None) if None not in sizes else _INFINITE


def finds_largest(call: Call) -> Results:
    """ArgMax and ArgMin along a dimension of known size."""
    axis = call.inputs[1].scalar
    size = None if axis is None else call.inputs[0].size_of(int(axis))
    if not size:
        call.objections.append("searches a dimension whose size is not known")
    data_type = call.attribute("output_type", tensor_pb2.DT_INT64)
    return [call.result(0, (size or LARGEST) - 1, data_type=data_type, finite=True, exact=True)]


def takes_top(call: Call) -> Results:
    """TopKV2 with a constant k of at least one."""
    wanted, size = call.inputs[1].scalar, call.inputs[0].size_of(-1)
    if wanted is None or not size or not 1 <= wanted <= size:
        call.objections.append("takes a number of values that is not known, is zero or exceeds what there is")
    low, high = call.inputs[0].within
    return [
        call.result(low, high, exact=True),
        call.result(0, (size or LARGEST) - 1, index=1, data_type=tensor_pb2.DT_INT32, finite=True, exact=True),
    ]
