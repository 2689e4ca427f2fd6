"""Formulas that an optimiser replaces by one operator, which may answer where the formula overflows or divides by zero."""

import numpy as np

from corpus.registry import Arrays, Group, Random, tf
from corpus.values import constant, f32, normal
from corpus.version_1 import add_graph

group = Group("patterns")


def _rows(random: Random) -> list[Arrays]:
    rows = normal(random, 3, 6)
    hard = (
        [100, -100, 50, 0, 89, -89],
        [1000, -1000, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0],
        [5, 5, 5, 5, 5, 5],
        [1e19, 2e19, -1e19, 1, 0, 3e19],
    )
    return [{"x": rows}, {"x": rows[:1] * 10}, *({"x": f32(row)} for row in hard)]


PATTERNS = {
    "softplus": lambda x: tf.math.log(1 + tf.exp(x)),
    "sigmoid": lambda x: 1 / (1 + tf.exp(-x)),
    "swish": lambda x: x / (1 + tf.exp(-x)),
    "mish": lambda x: x * tf.tanh(tf.math.log(tf.exp(x) + 1)),
    "softmax": lambda x: tf.exp(x) / tf.reduce_sum(tf.exp(x), 1, keepdims=True),
    "stable_softmax": lambda x: (
        tf.exp(x - tf.reduce_max(x, 1, keepdims=True))
        / tf.reduce_sum(tf.exp(x - tf.reduce_max(x, 1, keepdims=True)), 1, keepdims=True)
    ),
    "log_of_softmax": lambda x: tf.math.log(tf.nn.softmax(x)),
    "log_of_sum": lambda x: tf.math.log(tf.reduce_sum(tf.exp(x), 1)),
    "tanh": lambda x: (tf.exp(x) - tf.exp(-x)) / (tf.exp(x) + tf.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + tf.math.erf(x / np.sqrt(2).astype(np.float32))),
    "nearly_gelu": lambda x: 0.5 * x * (1 + tf.math.erf(x / 1.4)),
    "gelu_by_tanh": lambda x: 0.5 * x * (1 + tf.tanh(0.7978845608 * (x + 0.044715 * x**3))),
    "nearly_gelu_by_tanh": lambda x: 0.5 * x * (1 + tf.tanh(0.8 * (x + 0.05 * x**3))),
    "gelu_by_sigmoid": lambda x: x * tf.sigmoid(1.702 * x),
    "hard_sigmoid": lambda x: tf.nn.relu6(x + 3) / 6,
    "hard_sigmoid_of_slope": lambda x: tf.clip_by_value(0.2 * x + 0.5, 0, 1),
    "length": lambda x: tf.sqrt(tf.reduce_sum(x * x, 1)),
    "length_one": lambda x: x / tf.sqrt(tf.reduce_sum(x * x, 1, keepdims=True)),
    "length_bounded": lambda x: x * tf.math.rsqrt(tf.maximum(tf.reduce_sum(x**2, 1, keepdims=True), 1e-12)),
    "absolute_length": lambda x: tf.reduce_sum(tf.abs(x), 1),
    "standardised": lambda x: (x - tf.reduce_mean(x, 1, keepdims=True)) / tf.math.reduce_std(x, 1, keepdims=True),
    "standardised_bounded": lambda x: (
        (x - tf.reduce_mean(x, 1, keepdims=True)) / tf.sqrt(tf.math.reduce_variance(x, 1, keepdims=True) + 1e-5)
    ),
    "root_mean_square": lambda x: x * tf.math.rsqrt(tf.reduce_mean(x * x, 1, keepdims=True)),
    "difference_with_itself": lambda x: tf.nn.relu(x * 1e20 - x * 1e20),
    "quotient_with_itself": lambda x: x / x,
    "product_with_nothing": lambda x: (x * 1e20) * 0.0,
    "power_half": lambda x: tf.pow(x, 0.5),
    "power_minus_half": lambda x: tf.pow(tf.abs(x), -0.5),
    "power_two": lambda x: tf.pow(x, 2.0) - x * x,
    "root_of_square": lambda x: tf.sqrt(x * x),
    "inverse_of_root": lambda x: 1 / tf.sqrt(x),
    "clamp": lambda x: tf.minimum(tf.maximum(x / x, -1), 1),
    "cut_to_whole": lambda x: tf.cast(tf.cast(x / 8, tf.int32), tf.float32),
    "cut_to_byte": lambda x: tf.cast(tf.cast(tf.abs(x) % 200, tf.uint8), tf.float32),
    "cut_to_truth": lambda x: tf.cast(tf.cast(x, tf.bool), tf.float32),
    "through_half": lambda x: tf.cast(tf.cast(x, tf.float16), tf.float32),
    "through_double": lambda x: tf.cast(tf.cast(x, tf.float64) * 1e300 / 1e300, tf.float32),
    "there_and_back": lambda x: tf.transpose(tf.reverse(tf.transpose(tf.reverse(x, [1])), [0])),
    "split_and_joined": lambda x: tf.concat(tf.split(x, 3, 1), 1),
    "scaled_twice": lambda x: (x * 1e30) * 1e-30,
    "moved_twice": lambda x: (x + 1e8) - 1e8,
    "divided_by_constant": lambda x: tf.floor(x / 49) + tf.floor(x / 0.1),
    "leaky": lambda x: tf.maximum(x, 0.1 * x),
    "parametric": lambda x: tf.nn.relu(x) - constant(6) * tf.nn.relu(-x),
    "elu": lambda x: tf.where(x > 0, x, tf.exp(x) - 1),
    "mean_by_pool": lambda x: tf.reduce_mean(x[:, :, None, None], [1, 2]),
    "folded_scale": lambda x: ((x @ constant(6, 4)) * f32(1, 0, 1e-38, 1e30) + f32(0, 1, 2, 3)) * 1e8,
    "infinite_scale": lambda x: (x @ constant(6, 2)) * f32(np.inf, 1),
}

for _name, _call in PATTERNS.items():
    add_graph(group, f"pattern_{_name}", _call, {"x": ([None, 6], "float32")}, _rows)
