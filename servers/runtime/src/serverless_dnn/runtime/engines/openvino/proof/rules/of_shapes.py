"""Tensors computed from sizes, regardless of values."""

import numpy as np

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.engines.openvino.proof.call import Call
from serverless_dnn.runtime.engines.openvino.proof.facts import Facts, Number, constant_facts, joined
from serverless_dnn.runtime.engines.openvino.proof.rules.base import Results, Rule
from serverless_dnn.runtime.engines.openvino.proof.sizes import LARGEST


def shape(call: Call) -> Results:
    """Sizes of dimensions."""
    data_type = call.attribute("out_type", tensor_pb2.DT_INT32)
    sizes = call.inputs[0].shape
    if call.node.op == "Shape" and sizes is not None and all(isinstance(size, int) for size in sizes):
        return [constant_facts(data_type, np.array(sizes, np.int64))]
    # They do not vary: they do not depend on values.
    low = 1 if call.inputs[0].filled else 0
    written, content = call.output_shape(), sizes if call.node.op == "Shape" else None
    return [Facts(data_type, written, low, LARGEST, fixed=False, content=content, operator=call.node.op)]


def like(value: Number) -> Rule:
    """A tensor shaped like the input, filled with one value."""

    def rule(call: Call) -> Results:
        known = call.inputs[0]
        return [Facts(known.data_type, call.output_shape(), value, value, fixed=False, filled=known.filled)]

    return rule


def fills(call: Call) -> Results:
    """One value, repeated."""
    low, high = call.inputs[1].within
    return [call.result(low, high, data_type=call.inputs[1].data_type, exact=True, filled=call.inputs[0].low > 0)]


def counts(call: Call) -> Results:
    """Range: integers from a start to a limit, neither of which depends on input values."""
    low, high = joined(call.inputs[:2])
    # The limit is exclusive.
    high = max(low, high - 1)
    return [call.result(low, high, data_type=call.inputs[0].data_type, finite=True, exact=True, filled=False)]


def only_of_shapes(call: Call) -> Results:
    """Integers computed from sizes, never from values."""
    if call.varies:
        call.objections.append("computes with values of inputs")
    return [call.result(*joined(call.inputs), finite=True, exact=True, filled=True)]
