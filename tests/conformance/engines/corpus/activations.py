"""Functions of one number, over NaN, infinities, both zeros, both ends of float32 and the edges of their domains."""

import numpy as np

from corpus.registry import Group, named, tf
from corpus.values import INF, LARGE, NAN, f32

group = Group("special_values")
VECTOR = {"x": ([None], "float32")}

ORDINARY = {"x": f32(-6.5, -3, -1.75, -0.5, -1e-3, 1e-3, 0.25, 0.5, 1, 2.5, 3, 6.5)}
STEPS = {"x": f32(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997, 8388609, -8388607.5, 16777216)}
FAR = {"x": f32(-88, 88, -104, 89, 1e4, -1e4, 1e9, -1e9, 20, -20)}
HOSTILE = [{"x": f32(1, value, -2)} for value in (NAN, INF, -INF, LARGE, -LARGE)]
EMPTY = {"x": f32()}
CASES = [ORDINARY, STEPS, FAR, {"x": f32(0, -1, 1, 2)}, *HOSTILE, EMPTY]

# A model each: these are what networks are made of.
ACTIVATIONS = (
    *("nn.relu", "nn.relu6", "nn.leaky_relu", "nn.elu", "nn.selu", "nn.silu", "nn.gelu", "nn.softplus", "nn.softsign"),
    *("sigmoid", "tanh", "math.log_sigmoid"),
)
COMPOSED = {
    "leaky_relu_of_slope": lambda x: tf.nn.leaky_relu(x, 0.125),
    "silu_with_beta": lambda x: tf.nn.silu(x, 1.5),
    "gelu_by_tanh": lambda x: tf.nn.gelu(x, approximate=True),
    "hard_swish": lambda x: x * tf.nn.relu6(x + 3) / 6,
    "mish": lambda x: x * tf.tanh(tf.nn.softplus(x)),
}
# A model for a few functions that are alike.
FUNCTIONS = {
    "exponentials": ("exp", "math.expm1"),
    "logarithms": ("math.log", "math.log1p"),
    "roots": ("sqrt", "math.rsqrt"),
    "magnitudes": ("abs", "negative", "sign", "square"),
    "roundings": ("floor", "math.ceil", "round", "math.rint"),
    "circular_functions": ("sin", "cos", "tan"),
    "circular_inverses": ("asin", "acos", "atan"),
    "hyperbolic_functions": ("sinh", "cosh"),
    "hyperbolic_inverses": ("asinh", "acosh", "atanh"),
    "error_functions": ("math.erf", "math.erfc", "math.erfinv", "math.ndtri"),
    "gamma_functions": ("math.lgamma", "math.digamma"),
    "bessel_functions": ("math.bessel_i0e", "math.bessel_i1e"),
    "what_kind_of_number": ("math.is_nan", "math.is_inf", "math.is_finite"),
}


def _at_once(names):
    return lambda x: {name.rpartition(".")[2]: named(name)(x) for name in names}


for _name in ACTIVATIONS:
    group.add_function(f"activation_{_name.rpartition('.')[2]}", named(_name), VECTOR, CASES)
for _name, _call in COMPOSED.items():
    group.add_function(f"activation_{_name}", _call, VECTOR, CASES)
for _name, _names in FUNCTIONS.items():
    group.add_function(_name, _at_once(_names), VECTOR, CASES, atol=2e-5)


@group.function(VECTOR, CASES)
def reciprocals(x):
    return {"reciprocal": tf.math.reciprocal(x), "quotient": 2.0 / x}


@group.function(VECTOR, CASES)
def powers(x):
    return {"cube": x**3, "root": tf.pow(x, 1 / 3), "of_two": tf.pow(2.0, x), "inverse": tf.pow(x, -2.0)}


@group.function(VECTOR, CASES)
def functions_of_two_numbers(x):
    return {"zeta": tf.math.zeta(x, 2.0), "igamma": tf.math.igamma(2.0, x), "polygamma": tf.math.polygamma(1.0, x)}


@group.function(VECTOR, [{"x": f32(0.0, -0.0, 3)}], exact=True, accepted={"VALUE": "zeros may lose their sign"})
def signs_of_zeros(x):
    return {"inverse": 1 / x, "negative": -x, "product": x * -2.0, "floor": tf.floor(x - 0.0), "relu": tf.nn.relu(x)}


@group.function(
    VECTOR, [{"x": np.array([1e-40, -3e-42, 1.5e-38], np.float32)}], atol=0, accepted={"VALUE": "denormals may be zero"}
)
def denormal_numbers(x):
    return {"triple": x * 3.0, "grown": x * 1e32, "positive": x > 0, "root": tf.sqrt(tf.abs(x))}
