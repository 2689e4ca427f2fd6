"""Operators that copy, repeat or drop elements, and the tables these come from."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime.engines.openvino.proof.call import Call
from serverless_dnn.runtime.engines.openvino.proof.facts import Facts, Number, constant_facts, joined
from serverless_dnn.runtime.engines.openvino.proof.rules.base import Results, is_integer
from serverless_dnn.runtime.engines.openvino.proof.sizes import is_never_empty, smallest_of


def copies(call: Call) -> Results:
    """Elements are copied, repeated or dropped, but not computed; the same for all outputs."""
    low, high = joined(call.data)
    # Each output of a list has its own recorded shape.
    outputs = max(len(call.node.attr["_output_shapes"].list.shape), 1) if "_output_shapes" in call.node.attr else 1
    return [call.result(low, high, index=index, exact=True) for index in range(outputs)]


def copies_one_to_one(call: Call) -> Results:
    """Outputs are the inputs, in order."""
    return list(call.inputs)


def slices(call: Call) -> Results:
    """Like ``copies``, but the result may be empty."""
    low, high = joined(call.data)
    return [call.result(low, high, exact=True, filled=_keeps_free_dimensions(call))]


def _keeps_free_dimensions(call: Call) -> bool:
    """Whether a StridedSlice takes free dimensions whole or from the start, and a non-empty part of all others."""
    source, begin, end = call.inputs[:3]
    if not source.filled:
        return False
    starts = begin.value is not None and not begin.value.any() and not call.attribute("shrink_axis_mask", 0)
    return is_never_empty(call.output_shape()) or (starts and end.low > 0)


def reverses(call: Call) -> Results:
    """ReverseV2, which OpenVINO computes in float32 for integers."""
    if is_integer(call.inputs[0].data_type):
        call.check_exact_integers(call.data)
    return copies(call)


def pads(call: Call) -> Results:
    """Like ``copies``, with zeros or a constant as padding."""
    low, high = joined(call.data)
    around: tuple[Number, Number] = call.inputs[2].within if len(call.inputs) > 2 else (0, 0)
    return [call.result(min(low, around[0]), max(high, around[1]), exact=True)]


def folded(call: Call) -> Results:
    """Like ``slices``, and computed here if the input is a constant."""
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


def mirrors(call: Call) -> Results:
    """MirrorPad, by no more than there is to mirror."""
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
    """Slice within the existing dimensions: beyond them TensorFlow rejects the call, but OpenVINO takes less."""
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


def gathers(call: Call) -> Results:
    """Rows of a table, by indices that the guards keep in range."""
    table = call.inputs[0]
    result = call.result(*table.within, data_type=table.data_type, finite=table.finite)
    return [replace(result, exact=table.exact)]


def variable(call: Call) -> Results:
    """A variable's handle, which represents its value."""
    dims = call.attribute("shape")
    sizes = None if dims is None or dims.unknown_rank else tuple(None if d.size < 0 else d.size for d in dims.dim)
    return [Facts(call.attribute("dtype"), sizes, operator=call.node.op)]


def reserves_list(call: Call) -> Results:
    """A list of tensors that are zero until set; facts about it are facts about its elements."""
    data_type, count = call.attribute("element_dtype"), call.inputs[1]
    filled, operator = count.low > 0, call.node.op
    return [Facts(data_type, None, 0, 0, fixed=False, filled=filled, content=count.content, operator=operator)]


def keeps_list(call: Call) -> Results:
    """A list made from a tensor, or with an element set; its shape is that of its elements."""
    low, high = joined(call.data)
    if call.node.op == "TensorListSetItem":
        shape, content = call.inputs[2].shape, call.inputs[0].content
    else:
        known = call.inputs[0].shape
        shape, content = (None, None) if known is None else (known[1:], known[:1])
    filled = all(facts.filled for facts in call.data)
    return [replace(call.result(low, high, exact=True), shape=shape, filled=filled, content=content)]


def masks_band(call: Call) -> Results:
    """MatrixBandPart of values that do not depend on inputs, such as a causal attention mask."""
    if call.varies:
        call.objections.append("takes values of inputs")
    return [call.result(*joined((call.inputs[0], Facts(0, low=0, high=0))), exact=True)]
