"""Numeric functions. NaN and infinities come from arguments outside their domains, which bounds exclude."""

import math
from dataclasses import replace

import numpy as np

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.engines.openvino.proof.call import Call
from serverless_dnn.runtime.engines.openvino.proof.facts import Facts, Number, product
from serverless_dnn.runtime.engines.openvino.proof.rules.base import Results, Rule, is_integer

_INFINITE = math.inf
# Larger arguments overflow float32: e^88.7.
_MAX_EXPONENT = 80.0
# Dividing an input by less than this may overflow.
_SMALLEST_DIVISOR = 1e-25
_MAX_ANGLE = 1e4
# The range of float32, with headroom for what is computed next.
_MAX_FLOAT = 1e37
_SMALLEST_SCALE = 1e-12


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


def multiplies(call: Call) -> Results:
    """A product, whose constants OpenVINO may multiply together first."""
    left, right = call.inputs[0], call.inputs[1]
    _check_scale(call, left, right)
    low, high = product(left.within, right.within)
    return [_computed(call, max(low, 0) if left is right else low, high)]


def _check_scale(call: Call, *factors: Facts) -> None:
    for factor in factors:
        if factor.varies or factor.value is None or factor.value.dtype.kind != "f":
            continue
        sizes = np.abs(factor.value[factor.value != 0])
        if sizes.size and not (sizes.min() >= _SMALLEST_SCALE and sizes.max() <= 1 / _SMALLEST_SCALE):
            call.objections.append("scales by a constant so small or large that several of them leave float32's range")


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
    """A quotient, finite if the divisor stays away from zero."""
    above, below = call.inputs[0], call.inputs[1]
    _check_scale(call, above, below)
    away = below.low >= _SMALLEST_DIVISOR or below.high <= -_SMALLEST_DIVISOR
    finite = (away or (not below.varies and 0 not in below.within)) and above.finite and below.finite
    low, high = (-_INFINITE, _INFINITE)
    if away and below.low > 0:
        low, high = product(above.within, (1 / below.high if below.high < _INFINITE else 0, 1 / below.low))
    return [call.result(low, high, finite=finite, number=finite)]


def needs_positive(call: Call) -> Results:
    """Reciprocal and Rsqrt, finite for values well above zero."""
    known = call.inputs[0]
    return [
        call.result(
            -_INFINITE if call.node.op == "Reciprocal" else 0,
            finite=known.finite and (known.low >= _SMALLEST_DIVISOR or not known.varies),
            # They are infinite for zero.
            number=known.number and known.low >= 0,
        )
    ]


def takes_logarithm(call: Call) -> Results:
    """Log of values well above zero; TensorFlow makes one operator of Softmax and Log, which has other small values."""
    known = call.inputs[0]
    if known.varies and known.low < _SMALLEST_DIVISOR:
        call.objections.append("takes the logarithm of values that may be zero or less")
    return [call.result()]


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


def oscillates(call: Call) -> Results:
    """Sine and cosine of arguments for which float32 still holds the angle."""
    known = call.inputs[0]
    if known.varies and not (known.low >= -_MAX_ANGLE and known.high <= _MAX_ANGLE):
        call.objections.append(f"takes angles that may exceed {_MAX_ANGLE:g}")
    return [call.result(-1, 1)]


def bounded(low: Number, high: Number) -> Rule:
    """An elementwise function with bounded values."""

    def rule(call: Call) -> Results:
        return [call.result(low, high)]

    return rule


def tells_kind(call: Call) -> Results:
    """Whether values are finite, infinite or NaN."""
    return [call.result(0, 1, data_type=tensor_pb2.DT_BOOL, finite=True, exact=True)]


def products(call: Call) -> Results:
    """Sums of products, and other functions without simple bounds."""
    return [call.result(number=False)]


def windows(call: Call) -> Results:
    """Like ``products``, over windows that fit the tensor they slide over."""
    return [call.result(*(call.data[0].within if "Pool" in call.node.op else ()), number=False)]


def normalizes(call: Call) -> Results:
    """FusedBatchNorm with the moving averages; only the normalized output gets facts."""
    if call.attribute("is_training", default=True):
        call.objections.append("computes the statistics of a batch")
    return [call.result()]


def _bounded_result(result: Facts) -> Facts:
    """A number between two finite bounds is finite."""
    bounded = result.number and math.isfinite(result.low) and math.isfinite(result.high)
    return replace(result, finite=True) if bounded else result


def _computed(call: Call, low: Number, high: Number, *, exact: bool = False) -> Facts:
    """An element computed from others, which must be exact if it is an integer."""
    low, high = (-_INFINITE if math.isnan(low) else low), (_INFINITE if math.isnan(high) else high)
    overflows = any(_MAX_FLOAT < abs(bound) < _INFINITE for bound in (low, high))
    keeps = exact or len(call.data) == 1
    result = call.result(
        low,
        high,
        finite=False if overflows else None,
        # Infinities of opposite signs add up to NaN, and zero times infinity is NaN too.
        number=keeps and all(facts.number for facts in call.data),
        exact=exact or is_integer(call.data[0].data_type),
    )
    if is_integer(result.data_type):
        call.check_exact_integers([*call.inputs, result])
    return result
