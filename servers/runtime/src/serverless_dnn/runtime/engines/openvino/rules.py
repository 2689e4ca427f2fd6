"""What each operator of the list does to what is known of its tensors, and when its answers are not proven.

Bounds decide most of it. Sums of integers are exact in float32, in which OpenVINO may compute them, up to 2^24. NaN and
infinities come from inputs, which guards keep away, or from functions outside their domain, which the bounds exclude.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.engines.openvino.call import Call
from serverless_dnn.runtime.engines.openvino.facts import Facts, Number, constant_facts, joined, product
from serverless_dnn.runtime.engines.openvino.sizes import LARGEST, is_never_empty, largest_of, smallest_of
from serverless_dnn.runtime.engines.openvino.slicing import takes_what_is_there

Results = Sequence[Facts]
Rule = Callable[[Call], Results]
_INFINITE = math.inf
# Larger arguments overflow float32: e^88.7.
_MAX_EXPONENT = 80.0
# Dividing an input by less than this may overflow.
_SMALLEST_DIVISOR = 1e-25
_MAX_ANGLE = 1e4
_INTEGERS = frozenset(
    {
        *(tensor_pb2.DT_INT8, tensor_pb2.DT_INT16, tensor_pb2.DT_INT32, tensor_pb2.DT_INT64),
        *(tensor_pb2.DT_UINT8, tensor_pb2.DT_UINT16, tensor_pb2.DT_UINT32),
    }
)


def is_integer(data_type: int) -> bool:
    """Whether a tensor type is one of whole numbers.

    Args:
        data_type: The number of the ``DataType``.
    """
    return data_type in _INTEGERS


def copies(call: Call) -> Results:
    """Elements are copied, repeated or left out, and none is computed; all outputs alike."""
    low, high = joined(call.data)
    # Of a list of outputs each has its shape written down.
    outputs = max(len(call.node.attr["_output_shapes"].list.shape), 1) if "_output_shapes" in call.node.attr else 1
    return [call.result(low, high, index=index, exact=True) for index in range(outputs)]


def copies_one_to_one(call: Call) -> Results:
    """Outputs are the inputs, in their order."""
    return list(call.inputs)


def slices(call: Call) -> Results:
    """As ``copies``, but nothing may be left."""
    if call.varies and not takes_what_is_there(call):
        call.objections.append("may take an element that is not there")
    low, high = joined(call.data)
    return [call.result(low, high, exact=True, filled=_keeps_free_dimensions(call))]


def _keeps_free_dimensions(call: Call) -> bool:
    """Whether a StridedSlice takes dimensions of free size whole, or from the start, and something of all others."""
    source, begin, end = call.inputs[:3]
    if not source.filled:
        return False
    starts = begin.value is not None and not begin.value.any() and not call.attribute("shrink_axis_mask", 0)
    return is_never_empty(call.output_shape()) or (starts and end.low > 0)


def reverses(call: Call) -> Results:
    """ReverseV2, which OpenVINO does in float32 for integers."""
    if is_integer(call.inputs[0].data_type):
        call.check_exact_integers(call.data)
    return copies(call)


def pads(call: Call) -> Results:
    """As ``copies``, with zeros or a constant around."""
    low, high = joined(call.data)
    around: tuple[Number, Number] = call.inputs[2].within if len(call.inputs) > 2 else (0, 0)
    return [call.result(min(low, around[0]), max(high, around[1]), exact=True)]


def folded(call: Call) -> Results:
    """As ``slices``, and computed here where the input is a constant."""
    source, *parameters = call.inputs
    if source.value is None or any(parameter.value is None for parameter in parameters):
        return slices(call)
    begin, end, strides = (parameter.value.tolist() for parameter in parameters)  # type: ignore[union-attr]
    if (
        call.node.op != "StridedSlice"
        or len(begin) != 1
        or any(call.attribute(mask, 0) for mask in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask"))
    ):
        return slices(call)
    value = (
        source.value[begin[0]]
        if call.attribute("shrink_axis_mask", 0)
        else source.value[begin[0] : end[0] : strides[0]]
    )
    return [constant_facts(source.data_type, np.asarray(value))]


def shape(call: Call) -> Results:
    """Sizes of dimensions."""
    data_type = call.attribute("out_type", tensor_pb2.DT_INT32)
    sizes = call.inputs[0].shape
    if call.node.op == "Shape" and sizes is not None and all(isinstance(size, int) for size in sizes):
        return [constant_facts(data_type, np.array(sizes, np.int64))]
    # They do not vary: they are the same whatever the values are.
    low = 1 if call.inputs[0].filled else 0
    written, content = call.output_shape(), sizes if call.node.op == "Shape" else None
    return [Facts(data_type, written, low, LARGEST, fixed=False, content=content, operator=call.node.op)]


def like(value: Number) -> Rule:
    """As many elements as the input has, all of one value."""

    def rule(call: Call) -> Results:
        known = call.inputs[0]
        return [Facts(known.data_type, call.output_shape(), value, value, fixed=False, filled=known.filled)]

    return rule


def fills(call: Call) -> Results:
    """One value, repeated."""
    low, high = call.inputs[1].within
    return [call.result(low, high, data_type=call.inputs[1].data_type, exact=True, filled=call.inputs[0].low > 0)]


def counts(call: Call) -> Results:
    """Range: whole numbers from a start to a limit, which no input's values decide."""
    low, high = joined(call.inputs[:2])
    # The limit is not reached.
    high = max(low, high - 1)
    return [call.result(low, high, data_type=call.inputs[0].data_type, finite=True, exact=True, filled=False)]


def tells_kind(call: Call) -> Results:
    """Whether values are finite, infinite or NaN."""
    return [call.result(0, 1, data_type=tensor_pb2.DT_BOOL, finite=True, exact=True)]


def bounded(low: Number, high: Number) -> Rule:
    """A function of every element whose values have bounds of their own."""

    def rule(call: Call) -> Results:
        return [call.result(low, high)]

    return rule


def adds(call: Call) -> Results:
    """A sum or a difference."""
    left, right = call.inputs[0], call.inputs[1]
    if call.node.op == "Sub":
        low, high = left.low - right.high, left.high - right.low
        if right.operator == "Max" and right.inputs[0] is left:
            high = min(high, 0)
    else:
        low, high = left.low + right.low, left.high + right.high
    return [_computed(call, low, high)]


def adds_all(call: Call) -> Results:
    """AddN: the sum of all inputs."""
    return [_computed(call, sum(f.low for f in call.inputs), sum(f.high for f in call.inputs))]


def multiplies(call: Call) -> Results:
    """A product."""
    left, right = call.inputs[0], call.inputs[1]
    low, high = product(left.within, right.within)
    return [_computed(call, max(low, 0) if left is right else low, high)]


def squares(call: Call) -> Results:
    """The square of an input, or of the difference of two."""
    if len(call.inputs) > 1:
        return [_computed(call, 0, _INFINITE)]
    low, high = call.inputs[0].within
    return [_computed(call, 0, max(low * low, high * high))]


def negates(call: Call) -> Results:
    """The negative."""
    low, high = call.inputs[0].within
    return [_computed(call, -high, -low)]


def makes_absolute(call: Call) -> Results:
    """The absolute value."""
    low, high = call.inputs[0].within
    return [_computed(call, 0 if low <= 0 <= high else min(abs(low), abs(high)), max(abs(low), abs(high)))]


def takes_larger(call: Call) -> Results:
    """The larger of two values."""
    left, right = call.inputs[0], call.inputs[1]
    return [_bounded_result(_computed(call, max(left.low, right.low), max(left.high, right.high), exact=True))]


def takes_smaller(call: Call) -> Results:
    """The smaller of two values."""
    left, right = call.inputs[0], call.inputs[1]
    return [_bounded_result(_computed(call, min(left.low, right.low), min(left.high, right.high), exact=True))]


def clips_below(high: Number) -> Rule:
    """Relu and Relu6: values below zero become zero, those above a bound that bound."""

    def rule(call: Call) -> Results:
        known = call.inputs[0]
        return [_bounded_result(call.result(max(0, known.low), max(0, min(high, known.high)), exact=True))]

    return rule


def divides(call: Call) -> Results:
    """A quotient, finite where the divisor keeps away from zero."""
    above, below = call.inputs[0], call.inputs[1]
    away = below.low >= _SMALLEST_DIVISOR or below.high <= -_SMALLEST_DIVISOR
    finite = (away or (not below.varies and 0 not in below.within)) and above.finite and below.finite
    low, high = (-_INFINITE, _INFINITE)
    if away and below.low > 0:
        low, high = product(above.within, (1 / below.high if below.high < _INFINITE else 0, 1 / below.low))
    return [call.result(low, high, finite=finite, number=finite)]


def needs_positive(call: Call) -> Results:
    """Reciprocal, Rsqrt and Log, finite for values well above zero."""
    known = call.inputs[0]
    return [
        call.result(
            -_INFINITE if call.node.op in ("Log", "Reciprocal") else 0,
            finite=known.finite and (known.low >= _SMALLEST_DIVISOR or not known.varies),
            # Of zero they are infinite.
            number=known.number and known.low >= 0,
        )
    ]


def takes_root(call: Call) -> Results:
    """Sqrt, finite for values that are not negative."""
    known = call.inputs[0]
    low = math.sqrt(known.low) if known.low > 0 else 0
    in_domain = known.low >= 0 or not known.varies
    return [call.result(low, finite=known.finite and in_domain, number=known.number and in_domain)]


def exponentiates(call: Call) -> Results:
    """Exp and Expm1, finite for values that are not large."""
    known = call.inputs[0]
    return [
        call.result(
            -1 if call.node.op == "Expm1" else 0,
            finite=known.finite and (known.high <= _MAX_EXPONENT or not known.varies),
        )
    ]


def raises_to_power(call: Call) -> Results:
    """Pow with a constant exponent."""
    exponent = call.inputs[1].scalar
    if exponent not in (2, 3, 0.5):
        call.objections.append("raises to another power than the constants 2, 3 and 0.5")
    known = call.inputs[0]
    in_domain = exponent != 0.5 or known.low >= 0 or not known.varies
    return [call.result(-_INFINITE if exponent == 3 else 0, finite=known.finite and in_domain)]


def compares(call: Call) -> Results:
    """A comparison."""
    if is_integer(call.inputs[0].data_type):
        call.check_exact_integers(call.inputs)
    return [call.result(0, 1, data_type=tensor_pb2.DT_BOOL, finite=True, exact=True)]


def logic(call: Call) -> Results:
    """Truth values of truth values."""
    return [call.result(0, 1, data_type=tensor_pb2.DT_BOOL, exact=True)]


def selects(call: Call) -> Results:
    """Each element of one input or of the other, as a third says."""
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
        inputs: Those of the SelectV2.
    """
    condition, chosen, other = inputs
    if condition.operator != "Less" or condition.inputs[0] is not other or condition.inputs[1].scalar != 0:
        return None
    if chosen.operator not in ("Add", "AddV2") or chosen.inputs[0] is not other:
        return None
    size = chosen.inputs[1].scalar
    return (other, int(size)) if size is not None and size > 0 else None


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
        low, high = (0 if low >= 0 else -_INFINITE), _INFINITE
        if not known.varies and known.content is not None:
            high = math.prod(largest_of(size) for size in known.content if size is not None)
    if is_integer(known.data_type):
        if operator == "Mean" and known.varies:
            call.objections.append("is the mean of integers")
        call.check_exact_integers([known, call.result(low, high)])
    return [call.result(low, high, exact=operator in ("Max", "Min", "All", "Any"), filled=known.filled)]


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
    """TopKV2 with a constant number of at least one."""
    wanted, size = call.inputs[1].scalar, call.inputs[0].size_of(-1)
    if wanted is None or not size or not 1 <= wanted <= size:
        call.objections.append("takes a number of values that is not known, is zero or exceeds what there is")
    low, high = call.inputs[0].within
    return [
        call.result(low, high, exact=True),
        call.result(0, (size or LARGEST) - 1, index=1, data_type=tensor_pb2.DT_INT32, finite=True, exact=True),
    ]


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
    """Whether every value is a whole number that float32 holds.

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


def gathers(call: Call) -> Results:
    """Rows of a table, by indices that are in range: the guards see to it."""
    table = call.inputs[0]
    result = call.result(*table.within, data_type=table.data_type, finite=table.finite)
    return [replace(result, exact=table.exact)]


def finds_bucket(call: Call) -> Results:
    """Bucketize of values that are TensorFlow's bit for bit."""
    if call.inputs[0].varies and not call.inputs[0].exact:
        call.objections.append("sorts computed numbers into buckets, where the last bit decides")
    boundaries = call.attribute("boundaries", ())
    return [call.result(0, len(boundaries), data_type=tensor_pb2.DT_INT32, finite=True, exact=True)]


def rounds(call: Call) -> Results:
    """Floor, Ceil and Round of values that are TensorFlow's bit for bit."""
    known = call.inputs[0]
    if known.varies and not known.exact:
        call.objections.append("rounds computed numbers, where the last bit decides")
    return [call.result(known.low - 1, known.high + 1, exact=True)]


def products(call: Call) -> Results:
    """Sums of products and what else has no simple bounds."""
    return [call.result(number=False)]


def windows(call: Call) -> Results:
    """As ``products``, over windows, which fit in what they slide over."""
    return [call.result(*(call.data[0].within if "Pool" in call.node.op else ()), number=False)]


def mirrors(call: Call) -> Results:
    """MirrorPad, no further than there is something to mirror."""
    source, around = call.inputs
    if around.value is None or source.shape is None or not _has_to_mirror(call, source, around.value):
        call.objections.append("may mirror more than there is")
    return copies(call)


def _has_to_mirror(call: Call, source: Facts, around: NDArray[Any]) -> bool:
    unmirrored = 0 if call.attribute("mode") == b"SYMMETRIC" else 1
    for axis, wanted in enumerate(around.max(1).tolist()):
        size = (source.shape or ())[axis]
        length = 0 if size is None else smallest_of(size)
        if wanted and wanted > length - unmirrored:
            return False
    return True


def slices_exactly(call: Call) -> Results:
    """Slice, within the dimensions that are there: beyond them TensorFlow refuses, where OpenVINO takes less."""
    source, begin, size = call.inputs
    if source.varies and not _is_within(source, begin, size):
        call.objections.append("may take more than there is")
    return slices(call)


def _is_within(source: Facts, begin: Facts, size: Facts) -> bool:
    if source.shape is None or begin.value is None or size.value is None:
        return False
    for axis, (first, count) in enumerate(zip(begin.value.tolist(), size.value.tolist(), strict=True)):
        known = source.shape[axis]
        length = 0 if known is None else smallest_of(known)
        if first + max(count, 0) > length:
            return False
    return True


def normalizes(call: Call) -> Results:
    """FusedBatchNorm with the moving averages; only the normalized output is told of."""
    if call.attribute("is_training", default=True):
        call.objections.append("computes the statistics of a batch")
    return [call.result()]


def variable(call: Call) -> Results:
    """A variable's handle, which stands for its value."""
    dims = call.attribute("shape")
    sizes = None if dims is None or dims.unknown_rank else tuple(None if d.size < 0 else d.size for d in dims.dim)
    return [Facts(call.attribute("dtype"), sizes, operator=call.node.op)]


def reserves_list(call: Call) -> Results:
    """A list of tensors that are zeros until they are set; what is known of it is known of its elements."""
    data_type, count = call.attribute("element_dtype"), call.inputs[1]
    filled, operator = count.low > 0, call.node.op
    return [Facts(data_type, None, 0, 0, fixed=False, filled=filled, content=count.content, operator=operator)]


def keeps_list(call: Call) -> Results:
    """A list of tensors made of one, or with an element set; its shape is that of its elements."""
    low, high = joined(call.data)
    if call.node.op == "TensorListSetItem":
        shape, content = call.inputs[2].shape, call.inputs[0].content
    else:
        known = call.inputs[0].shape
        shape, content = (None, None) if known is None else (known[1:], known[:1])
    filled = all(facts.filled for facts in call.data)
    return [replace(call.result(low, high, exact=True), shape=shape, filled=filled, content=content)]


def oscillates(call: Call) -> Results:
    """Sine and cosine of arguments for which float32 still holds the angle."""
    known = call.inputs[0]
    if known.varies and not (known.low >= -_MAX_ANGLE and known.high <= _MAX_ANGLE):
        call.objections.append(f"takes angles that may exceed {_MAX_ANGLE:g}")
    return [call.result(-1, 1)]


def only_of_shapes(call: Call) -> Results:
    """Whole numbers computed of sizes, never of values."""
    if call.varies:
        call.objections.append("computes with values of inputs")
    return [call.result(*joined(call.inputs), finite=True, exact=True, filled=True)]


def masks_band(call: Call) -> Results:
    """MatrixBandPart of what no input decides, such as the mask of causal attention."""
    if call.varies:
        call.objections.append("takes values of inputs")
    return [call.result(*joined((call.inputs[0], Facts(0, low=0, high=0))), exact=True)]


def _bounded_result(result: Facts) -> Facts:
    """A number between bounds, of which neither is infinite, is finite."""
    bounded = result.number and math.isfinite(result.low) and math.isfinite(result.high)
    return replace(result, finite=True) if bounded else result


def _computed(call: Call, low: Number, high: Number, *, exact: bool = False) -> Facts:
    """An element computed of others, which has to be exact where it is an integer."""
    low, high = (-_INFINITE if math.isnan(low) else low), (_INFINITE if math.isnan(high) else high)
    keeps = exact or len(call.data) == 1
    result = call.result(
        low,
        high,
        # Infinities of both signs add up to NaN, and zero times infinity is NaN as well.
        number=keeps and all(facts.number for facts in call.data),
        exact=exact or is_integer(call.data[0].data_type),
    )
    if is_integer(result.data_type):
        call.check_exact_integers([*call.inputs, result])
    return result
