"""Values that only appear inside: the inputs are ordinary numbers, and no look at them finds what follows."""

from collections.abc import Callable
from typing import Any

import numpy as np

from corpus.registry import Arrays, Group, named, tf
from corpus.values import constant, f32, i32, i64
from corpus.version_1 import add_graph

group = Group("inside_values")
VECTOR, IDS = {"x": ([None], "float32")}, {"ids": ([None], "int32")}
SIGNED = [{"x": f32(1, -2, 0, 0.5)}, {"x": f32(4)}, {"x": f32(-1, -1)}]
LARGE = [{"x": f32(1, 100, -100)}, {"x": f32(300, 0)}]

# NaN or infinity is made first, and each of these may lose it.
THEN: dict[str, Callable[[Any], Any]] = {
    "maximum": lambda x: tf.maximum(x, 0.25),
    "minimum": lambda x: tf.minimum(x, 0.25),
    "clip": lambda x: tf.clip_by_value(x, -1, 1),
    "argmax": lambda x: tf.argmax(x, output_type=tf.int32),
    "less": lambda x: x < 0.25,
    "equal": lambda x: tf.equal(x, x),
    "unequal": lambda x: tf.not_equal(x, 0.25),
    "where": lambda x: tf.where(x > 0, x, -1.0),
    "cast": lambda x: tf.cast(x, tf.int32),
    "truth": lambda x: tf.cast(x, tf.bool),
    "top": lambda x: tf.math.top_k(x, 1)[0],
    "pool": lambda x: tf.nn.max_pool1d(x[None, :, None], 2, 1, "SAME"),
    "power": lambda x: x**0.0,
    "masked": lambda x: x * 0.0,
    "no_nan": lambda x: tf.math.divide_no_nan(x, x),
    **{
        path.rpartition(".")[2]: named(path)
        for path in (
            *("nn.relu", "nn.relu6", "nn.elu", "nn.leaky_relu", "nn.softmax", "reduce_max", "reduce_min", "sign"),
            *("sort", "floor", "round", "tanh", "sigmoid", "math.is_nan"),
        )
    },
}


def _after(first: str, then: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: then(named(first)(x))


for _name, _then in THEN.items():
    add_graph(group, f"nan_then_{_name}", _after("math.log", _then), VECTOR, SIGNED)
for _name in ("relu6", "maximum", "clip", "softmax", "cast", "masked", "tanh", "argmax", "where", "top", "sigmoid"):
    add_graph(group, f"infinity_then_{_name}", _after("math.expm1", THEN[_name]), VECTOR, LARGE)


@group.function(VECTOR, SIGNED)
def nan_of_zero_by_zero(x):
    quotient = (x - x) / (x - x)
    return {
        "relu": tf.nn.relu(quotient),
        "largest": tf.maximum(quotient, 1.0),
        "kept": tf.where(tf.math.is_nan(quotient), 7.0, quotient),
    }


@group.function(VECTOR, SIGNED)
def nan_of_roots(x):
    return {
        "relu": tf.nn.relu(tf.sqrt(x)),
        "inverse": tf.minimum(tf.math.rsqrt(x), 9.0),
        "arc": tf.nn.relu(tf.acos(x)),
        "power": tf.maximum(tf.pow(x, 0.5), 0),
    }


@group.function({"x": ([None, 4], "float32"), "mask": ([None, 4], "float32")}, [
    {"x": f32([1, 2, 3, 4]), "mask": f32([1, 1, 0, 0])}, {"x": f32([1, 2, 3, 4]), "mask": f32([0, 0, 0, 0])}, {"x": f32([0, 0, 0, 0]), "mask": f32([1, 1, 1, 1])},
])  # fmt: skip
def infinite_masks(x, mask):
    return {
        "added": tf.nn.softmax(x + (1 - mask) * -1e9),
        "chosen": tf.nn.softmax(tf.where(mask > 0, x, -np.inf)),
        "log": tf.nn.softmax(x + tf.math.log(mask)),
        "lowest": tf.reduce_max(tf.where(mask > 0, x, tf.float32.min), 1),
        "product": (1 - mask) * -np.inf + x,
    }


@group.function({"x": ([None, 4], "float32"), "mask": ([None, 4], "bool")}, [
    {"x": f32([1, 2, 3, 4]), "mask": np.array([[True, False, True, False]])}, {"x": f32([1, 2, 3, 4]), "mask": np.zeros((1, 4), bool)},
])  # fmt: skip
def mean_under_a_mask(x, mask):
    weights = tf.cast(mask, tf.float32)
    mean = tf.reduce_sum(x * weights, 1) / tf.reduce_sum(weights, 1)
    return {
        "mean": mean,
        "relu": tf.nn.relu(mean),
        "safe": tf.math.divide_no_nan(tf.reduce_sum(x * weights, 1), tf.reduce_sum(weights, 1)),
    }


@group.function(VECTOR, [{"x": f32(1, -1, 1e4)}, {"x": f32(1e10)}])
def products_beyond_the_range(x):
    huge = x * 1e30 * 1e8
    return {"huge": huge, "difference": huge - huge, "capped": tf.minimum(huge, 1.0), "tiny": x * 1e-30 * 1e-7 * 1e30}


@group.function(VECTOR, [{"x": f32(0.5, 2.5, -1)}, {"x": f32(3e5, -3e5)}], exact=True)
def casts_beyond_the_range(x):
    return {
        "int": tf.cast(x * 1e10, tf.int32),
        "byte": tf.cast(x * 200, tf.uint8),
        "small": tf.cast(tf.cast(x * 100, tf.int32), tf.int8),
    }


# Indices that are computed: out of range though no input is.
TABLE = {"table": (6, 3)}
NEAR = [{"ids": i32(0, 1, 2)}, {"ids": i32(3)}, {"ids": i32(5)}, {"ids": i32(-1)}, {"ids": i32(7)}]


@group.function(IDS, NEAR, weights=TABLE, exact=True)
def rows_after_the_given(ids, table):
    return tf.gather(table, ids + 1)


@group.function(IDS, NEAR, weights=TABLE, exact=True)
def rows_at_twice_the_given(ids, table):
    return tf.gather(table, ids * 2)


@group.function(IDS, NEAR, weights=TABLE, exact=True)
def rows_counted_from_the_end(ids, table):
    return tf.gather(table, 5 - ids)


@group.function(IDS, NEAR, weights=TABLE, exact=True)
def rows_bounded(ids, table):
    return {
        "clipped": tf.gather(table, tf.clip_by_value(ids, 0, 5)),
        "wrapped": tf.gather(table, ids % 6),
        "chosen": tf.gather(table, tf.where(ids < 3, 0, 5)),
    }


@group.function(
    VECTOR, [{"x": f32(0, 2.9, 5.99)}, {"x": f32(6)}, {"x": f32(-0.5)}, {"x": f32(-1)}, {"x": f32(1e20)}], weights=TABLE
)
def rows_of_float_numbers(x, table):
    return tf.gather(table, tf.cast(x, tf.int32))


@group.function(
    {"x": ([None, 8], "float32")},
    [{"x": f32([0, 1, 0, 0, 0, 0, 0, 0])}, {"x": f32([0, 0, 0, 0, 0, 0, 0, 1])}],
    weights=TABLE,
)
def rows_of_the_best(x, table):
    return tf.gather(table, tf.argmax(x, 1))


@group.function(
    {"ids": ([None], "int64")},
    [{"ids": i64(0, 5)}, {"ids": i64(2**32 + 1)}, {"ids": i64(6)}, {"ids": i64(-(2**32))}],
    weights=TABLE,
)
def rows_of_ids_made_narrow(ids, table):
    return tf.gather(table, tf.cast(ids, tf.int32))


@group.function(
    {"ids": ([None], "uint8")}, [{"ids": np.array(ids, np.uint8)} for ids in ([0, 5], [6], [255])], weights=TABLE
)
def rows_of_bytes(ids, table):
    return tf.gather(table, tf.cast(ids, tf.int32))


@group.function(
    {"ids": ([None, None], "int32")},
    [{"ids": i32(*ids)} for ids in ([[1, 2, 3, 4]], [[1, 2, 3, 4, 5, 6]], [[0] * 7], [[6]])],
    weights=TABLE,
)
def rows_of_positions(ids, table):
    return tf.gather(table, ids) + tf.gather(table, tf.range(tf.shape(ids)[1]))


@group.function(
    {"x": ([None, None], "float32")},
    [{"x": np.ones(shape, np.float32)} for shape in ((2, 3), (1, 6), (2, 7), (7, 2))],
    weights=TABLE,
)
def row_of_the_size(x, table):
    return tf.gather(table, tf.shape(x)[1] - 1)


@group.function({"x": ([None, 3], "float32"), "ids": ([None], "int32")}, [
    {"x": f32([1, 2, 3], [4, 5, 6]), "ids": i32(*ids)} for ids in ((0, 2), (1, 3), (-1, 0))
])  # fmt: skip
def score_of_each_label(x, ids):
    rows = tf.range(tf.shape(x)[0])
    return {"points": tf.gather_nd(x, tf.stack([rows, ids], 1)), "hot": tf.reduce_sum(x * tf.one_hot(ids, 3), 1)}


def _long(*values: float) -> list[Arrays]:
    return [{"x": np.resize(f32(*values), size)} for size in (7, 300)]


@group.function(VECTOR, _long(0.5, 1.5, 2.5, -0.5, 3, 6, 9, 21, 49, 0.1, 0.7), exact=True)
def quotients_that_come_out_whole(x):
    return {
        "thirds": tf.floor(x / 3),
        "sevenths": tf.cast(x / 7, tf.int32),
        "tenths": tf.floor(x / 0.1),
        "same": (x / 49) * 49 == x,
        "rest": x % 0.1,
    }


@group.function(VECTOR, _long(1, 4, 9, 2, 3, 100, 0.01, 1e-3), exact=True)
def roots_that_come_out_whole(x):
    return {
        "root": tf.floor(tf.sqrt(x)),
        "square": tf.sqrt(x * x) == x,
        "inverse": tf.math.rsqrt(x) * tf.sqrt(x) == 1,
        "cube": tf.floor(x**3),
    }


@group.function(VECTOR, _long(-90, -40, -17, -10, 10, 17, 40, 90), rtol=1e-3)
def logarithms_of_probabilities(x):
    return {
        "sigmoid": tf.math.log(tf.sigmoid(x)),
        "rest": tf.math.log(1 - tf.sigmoid(x)),
        "tanh": 1 - tf.tanh(x / 10),
        "power": tf.math.log(tf.exp(x / 2)),
    }


@group.function(
    {"x": ([None, 64], "float32")},
    lambda r: [{"x": (offset + r.normal(size=(2, 64))).astype(np.float32)} for offset in (0, 100, 5000)],
    rtol=1e-2,
    atol=1e-2,
)
def moments_far_from_zero(x):
    mean, variance = tf.nn.moments(x, [1], keepdims=True)
    return {
        "variance": variance,
        "normal": (x - mean) * tf.math.rsqrt(variance + 1e-5),
        "std": tf.math.reduce_std(x, 1),
    }


@group.function({"x": ([None, 500], "float32")}, lambda r: [{"x": r.normal(size=(3, 500)).astype(np.float32)}])
def sums_of_many(x):
    return {
        "sum": tf.reduce_sum(x, 1),
        "running": tf.cumsum(x, 1),
        "square": x @ tf.transpose(x),
        "projected": x @ constant(500, 4),
    }


@group.function({"x": ([None, 4], "float32")}, lambda r: [
    {"x": np.asfortranarray(r.normal(size=(5, 4)).astype(np.float32))},
    {"x": r.normal(size=(5, 8)).astype(np.float32)[:, ::2]},
    {"x": np.broadcast_to(f32(1, 2, 3, 4), (3, 4))},
    {"x": r.normal(size=(5, 4)).astype(np.float32)[::-1]},
])  # fmt: skip
def arrays_of_other_layouts(x):
    return {"y": tf.nn.relu(x) @ constant(4, 3), "x": x, "turned": tf.transpose(x)}
