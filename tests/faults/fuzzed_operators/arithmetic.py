"""Functions of every element, comparisons, and reductions."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fuzzed_operators.registry import CUBE, FREE, Given, enter, raw, tf

# Few a model, so that what ends the process is soon found.
_OF_ONE = (
    ("Neg", "Abs", "Square", "Sqrt", "Rsqrt"),
    ("Reciprocal", "Log", "Exp", "Sin", "Cos"),
    ("Floor", "Ceil", "Round", "Expm1"),
    ("IsFinite", "IsInf", "IsNan"),
    ("Sigmoid", "Tanh", "Erf", "Erfc"),
)
_ACTIVATIONS = (("Relu", "Relu6", "LeakyRelu", "Elu", "Selu"), ("Softplus", "Softsign"))
_OF_TWO = (
    ("Add", "AddV2", "Sub", "Mul"),
    ("RealDiv", "Maximum", "Minimum", "SquaredDifference", "Pow"),
    ("Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual"),
)
_OF_TWO_INTEGERS = (
    ("AddV2", "Sub", "Mul", "Maximum", "Minimum"),
    ("FloorDiv",),
    ("FloorMod",),
    ("Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual"),
)
_REDUCTIONS = ("Sum", "Mean", "Max", "Min", "Prod")


def _of_one(operators: tuple[str, ...], x: Any) -> dict[str, Any]:
    return {name: getattr(raw, name)(x=x) for name in operators}


def _activations(operators: tuple[str, ...], x: Any) -> dict[str, Any]:
    return {name: getattr(raw, name)(features=x) for name in operators}


def _softmaxes(x: Any) -> dict[str, Any]:
    return {"softmax": raw.Softmax(logits=x), "log": raw.LogSoftmax(logits=x)}


def _in_bfloat16(x: Any, *calls: Callable[[Any], Any]) -> list[Any]:
    return [tf.cast(call(tf.cast(x, tf.bfloat16)), tf.float32) for call in calls]


def _of_two(operators: tuple[str, ...], x: Any, z: Any) -> dict[str, Any]:
    return {name: getattr(raw, name)(x=x, y=z) for name in operators}


def _reduced(operators: tuple[str, ...], axes: Any, x: Any) -> dict[str, Any]:
    return {name: getattr(raw, name)(input=x, axis=axes) for name in operators}


for _names in _OF_ONE:
    enter(f"of_one_{'_'.join(_names)}", partial(_of_one, _names), x=CUBE)
for _names in _ACTIVATIONS:
    enter(f"activation_{'_'.join(_names)}", partial(_activations, _names), x=CUBE)
enter("softmax", _softmaxes, x=FREE)
enter("softmax_of_cubes", _softmaxes, x=CUBE)
enter("activations_of_bfloat16", lambda x: _in_bfloat16(x, tf.nn.relu, tf.sigmoid, tf.tanh, tf.nn.softmax), x=FREE)
enter("integers_of_one", lambda x: [raw.Neg(x=x), raw.Abs(x=x)], x=Given(("a", "b", "c"), "int32"))
enter("long_integers_of_one", lambda x: [raw.Neg(x=x), raw.Abs(x=x)], x=Given(("a",), "int64"))
for _names in _OF_TWO:
    enter(f"of_two_{'_'.join(_names)}", partial(_of_two, _names), x=FREE, z=Given(("a", "c")))
    enter(f"of_cubes_{'_'.join(_names)}", partial(_of_two, _names), x=CUBE, z=CUBE)
for _names in _OF_TWO_INTEGERS:
    for _dtype in ("int32", "int64"):
        _two = {"x": Given(("a", "b"), _dtype), "z": Given(("a", "b"), _dtype)}
        enter(f"{_dtype}_{'_'.join(_names)}", partial(_of_two, _names), **_two)
enter("powers", lambda x: [raw.Pow(x=x, y=2.0), raw.Pow(x=x, y=3.0), raw.Pow(x=x, y=0.5)], x=FREE)
enter("power_of_integers", lambda x, z: raw.Pow(x=x, y=z), x=Given(("a",), "int32"), z=Given(("a",), "int32"))
enter(
    "added_up",
    lambda x, z: [raw.AddN(inputs=[x, z, x]), raw.BiasAdd(value=x, bias=[1.0, 2.0])],
    x=Given(("a", 2)),
    z=FREE,
)
enter("bias_of_any_width", lambda x, z: raw.BiasAdd(value=x, bias=z), x=FREE, z=Given(("c",)))
enter(
    "arithmetic_of_bfloat16",
    lambda x: _in_bfloat16(x, lambda y: y + y[:1], lambda y: y * y[:, :1], lambda y: 3 - y),
    x=FREE,
)

enter(
    "choice",
    lambda c, x, z: raw.SelectV2(condition=c, t=x, e=z),
    (),
    c=Given(("a", 1), "bool"),
    x=FREE,
    z=Given((1, "b")),
)
enter(
    "choice_of_cubes",
    lambda c, x, z: raw.SelectV2(condition=c, t=x, e=z),
    (),
    c=Given(("a", "b", "c"), "bool"),
    x=Given(("a", "b", "c"), "int32"),
    z=Given(("a", "b", "c"), "int32"),
)
enter(
    "logic",
    lambda x, z: [raw.LogicalAnd(x=x, y=z), raw.LogicalOr(x=x, y=z), raw.LogicalNot(x=x)],
    x=Given(("a", "b"), "bool"),
    z=Given(("a", "c"), "bool"),
)
enter("buckets", lambda x: raw.Bucketize(input=x, boundaries=[-1.0, 0.0, 2.5]), x=CUBE)

_TYPES = ("float32", "int32", "int64", "uint8", "bool")
for _from in _TYPES:
    enter(
        f"cast_from_{_from}",
        lambda x: {to: tf.cast(x, to) for to in _TYPES if to != x.dtype.name},
        x=Given(("a", "b"), _from),
    )
enter("cast_from_bfloat16", lambda x: {to: tf.cast(tf.cast(x, tf.bfloat16), to) for to in _TYPES}, x=FREE)

for _label, _axes in {"first": [0], "last": [-1], "both": [0, 1]}.items():
    enter(f"reduced_over_{_label}", partial(_reduced, _REDUCTIONS, _axes), x=FREE)
enter("integers_reduced", partial(_reduced, ("Sum", "Max", "Min", "Prod"), [1]), x=Given(("a", "b"), "int32"))
enter("long_integers_reduced", partial(_reduced, ("Sum", "Max", "Min", "Prod"), [0]), x=Given(("a", "b"), "int64"))
enter("truth_reduced", partial(_reduced, ("All", "Any"), [-1]), x=Given(("a", "b"), "bool"))
enter("truth_reduced_of_all", partial(_reduced, ("All", "Any"), [0, 1]), x=Given(("a", "b"), "bool"))
enter("reduced_of_cubes", partial(_reduced, _REDUCTIONS, [1]), x=CUBE)
enter("largest", lambda x: [raw.ArgMax(input=x, dimension=1), raw.ArgMin(input=x, dimension=0)], x=FREE)
enter("largest_of_cubes", lambda x: [raw.ArgMax(input=x, dimension=1), raw.ArgMin(input=x, dimension=-1)], x=CUBE)
enter(
    "largest_of_seven",
    lambda x: [raw.ArgMax(input=x, dimension=1), raw.ArgMin(input=x, dimension=1)],
    x=Given(("a", 7)),
)
enter("top_three_of_seven", lambda x: raw.TopKV2(input=x, k=3), x=Given(("a", 7)))
enter("running_sums", lambda x: raw.Cumsum(x=x, axis=1), x=FREE)
enter("running_sums_backwards", lambda x: raw.Cumsum(x=x, axis=0, exclusive=True, reverse=True), x=CUBE)
