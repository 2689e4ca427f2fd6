"""Operators that engines disagree about when a value is NaN, infinite, out of a type's range or halfway."""

import numpy as np

from corpus.registry import Group, tf
from corpus.values import INF, LARGE, NAN, f32, float_cases, i32

group = Group("special_values")
VECTOR = {"x": ([None], "float32")}
ROWS = {"x": ([None, 6], "float32")}
PAIR = {"x": ([None], "float32"), "z": ([None], "float32")}
SIX = float_cases(6)

NUMBERS = {"x": f32(-3.5, -1, 0, 0.5, 1, 2, 7.25), "z": f32(2, -2, 3, 0.25, 1, -0.5, -7.25)}
PAIRS = [
    NUMBERS,
    {"x": f32(NAN, 1, NAN, INF, INF, -INF), "z": f32(1, NAN, NAN, INF, -INF, 0)},
    {"x": f32(1, -1, 0, LARGE, -LARGE), "z": f32(0, 0, 0, LARGE, LARGE)},
    {"x": f32(5, 6, 7), "z": f32(2)},
    {"x": f32(5, 6, 7), "z": f32(1, 2)},
    {"x": f32(), "z": f32()},
]


@group.function(PAIR, PAIRS)
def larger_and_smaller(x, z):
    return {"larger": tf.maximum(x, z), "smaller": tf.minimum(x, z), "capped": tf.minimum(tf.maximum(x, -1), z)}


@group.function(PAIR, PAIRS)
def sums_and_products(x, z):
    return {"sum": x + z, "difference": x - z, "product": x * z, "squared": tf.math.squared_difference(x, z)}


@group.function(PAIR, PAIRS)
def quotients(x, z):
    return {"true": x / z, "no_nan": tf.math.divide_no_nan(x, z), "xdivy": tf.math.xdivy(x, z)}


@group.function(PAIR, PAIRS)
def floored_quotients(x, z):
    return {"floor": x // z, "modulo": x % z, "truncated": tf.raw_ops.Mod(x=x, y=z)}


@group.function(PAIR, PAIRS)
def powers_of_two_tensors(x, z):
    return {"pow": tf.pow(x, z), "xlogy": tf.math.xlogy(x, z), "atan2": tf.atan2(x, z)}


@group.function(PAIR, PAIRS, exact=True)
def comparisons(x, z):
    return {"equal": x == z, "unequal": x != z, "less": x < z, "at_most": x <= z, "more": x > z, "at_least": x >= z}


@group.function(PAIR, PAIRS)
def choice_by_comparison(x, z):
    return {
        "where": tf.where(x > z, x, z * 2.0),
        "cleaned": tf.where(tf.math.is_finite(x), x, tf.zeros_like(x)),
        "near": tf.abs(x - tf.zeros_like(z)) < 1.5,
    }


@group.function(VECTOR, float_cases(rows=(1, 3, 0)))
def clipped(x):
    return {
        "value": tf.clip_by_value(x, -0.75, 0.5),
        "norm": tf.clip_by_norm(x, 1.25),
        "wrong": tf.clip_by_value(x, 1, -1),
    }


@group.function(ROWS, SIX)
def reduced_sums(x):
    return {
        "rows": tf.reduce_sum(x, 1),
        "columns": tf.reduce_sum(x, 0, keepdims=True),
        "all": tf.reduce_sum(x),
        "mean": tf.reduce_mean(x, -1),
        "mean_of_columns": tf.reduce_mean(x, 0),
    }


@group.function(ROWS, SIX)
def reduced_products(x):
    return {"rows": tf.reduce_prod(x, 1), "norm": tf.norm(x, axis=1), "one": tf.norm(x, 1, axis=1)}


@group.function(ROWS, SIX)
def reduced_extremes(x):
    return {
        "largest": tf.reduce_max(x, 1),
        "smallest": tf.reduce_min(x, 1, keepdims=True),
        "of_columns": tf.reduce_max(x, 0),
        "of_all": tf.reduce_min(x),
    }


@group.function(ROWS, SIX)
def reduced_spread(x):
    return {
        "variance": tf.math.reduce_variance(x, 1),
        "deviation": tf.math.reduce_std(x, 1),
        "log": tf.reduce_logsumexp(x, 1),
    }


@group.function(ROWS, SIX)
def reduced_truth(x):
    return {
        "any": tf.reduce_any(x > 1, 1),
        "all": tf.reduce_all(x < 2, 0),
        "count": tf.math.count_nonzero(x > 0, 1, dtype=tf.int32),
    }


@group.function(ROWS, float_cases(6, rows=(1, 2, 5)), exact=True)
def place_of_extremes(x):
    return {
        "largest": tf.argmax(x, 1, output_type=tf.int32),
        "smallest": tf.argmin(x, 1),
        "of_columns": tf.argmax(x, 0, output_type=tf.int32),
    }


@group.function(ROWS, [{"x": f32([2, 7, 7, 1, 7, 2], [0, 0, 0, 0, 0, 0], [NAN, 3, NAN, 3, 1, 2])}], exact=True)
def place_of_ties(x):
    values, places = tf.math.top_k(x, 4)
    return {"argmax": tf.argmax(x, -1), "argmin": tf.argmin(x, -1), "values": values, "places": places}


@group.function(ROWS, SIX)
def probabilities(x):
    return {"softmax": tf.nn.softmax(x), "over_rows": tf.nn.softmax(x, axis=0), "log": tf.nn.log_softmax(x)}


@group.function(
    ROWS, [{"x": f32([-INF, -INF, 0, 1, -INF, 2])}, {"x": f32([-INF] * 6)}, {"x": f32([1e4, -1e4, 0, 88, 89, 1e30])}]
)
def probabilities_under_a_mask(x):
    return {"softmax": tf.nn.softmax(x), "log": tf.nn.log_softmax(x), "lse": tf.reduce_logsumexp(x, -1)}


@group.function(ROWS, SIX)
def sorted_rows(x):
    return {"up": tf.sort(x), "down": tf.sort(x, direction="DESCENDING"), "best": tf.math.top_k(x, 2)[0]}


@group.function({"x": ([None, 6, 6, 2], "float32")}, float_cases(6, 6, 2))
def pools_of_special_values(x):
    return {"max": tf.nn.max_pool2d(x, 3, 2, "SAME"), "mean": tf.nn.avg_pool2d(x, 2, 2, "VALID")}


@group.function({"x": ([None, 6], "float32")}, SIX)
def products_with_special_values(x):
    weights = np.arange(18, dtype=np.float32).reshape(6, 3) / 9 - 1
    return {"matrix": x @ weights, "zeros": x @ np.zeros((6, 2), np.float32), "masked": x * f32(0, 1, 0, 1, 1, 0)}


@group.function(ROWS, SIX)
def running_totals(x):
    return {
        "sum": tf.cumsum(x, 1),
        "before": tf.cumsum(x, 1, exclusive=True),
        "after": tf.cumsum(x, 0, reverse=True),
        "product": tf.math.cumprod(x, 1),
    }


# Casts out of range differ from processor to processor in TensorFlow itself; on one machine they must not.
@group.function(
    VECTOR, [{"x": f32(-2.9, -0.5, 0.5, 1.999, 65504, 2.1e9)}, {"x": f32(3e9, -3e9, 1e20, NAN, INF, -INF)}], exact=True
)
def casts_to_int32(x):
    return tf.cast(x, tf.int32)


@group.function(
    VECTOR, [{"x": f32(0.99, 17.5, 254.999)}, {"x": f32(-0.9, -1, 255.9, 256, 511, 70000, NAN)}], exact=True
)
def casts_to_uint8(x):
    return tf.cast(x, tf.uint8)


@group.function(VECTOR, [{"x": f32(-128, 127.9, 3)}, {"x": f32(128, -129, 1000)}], exact=True)
def casts_to_int8_and_int16(x):
    return {"small": tf.cast(x, tf.int8), "middle": tf.cast(x * 300, tf.int16)}


@group.function(
    VECTOR, [{"x": f32(1e10, -1e10, 0.5, 1e18)}, {"x": f32(1e19, NAN, -INF)}], exact=True, engine="tensorflow"
)
def casts_to_int64(x):
    return tf.cast(x, tf.int64)


@group.function(VECTOR, [{"x": f32(0, -0.0, 0.3, -7, 1e-30)}, {"x": f32(NAN, INF)}], exact=True)
def casts_to_bool(x):
    return {"flag": tf.cast(x, tf.bool), "number": tf.cast(tf.cast(x, tf.bool), tf.float32) * 2}


@group.function(VECTOR, [{"x": f32(0.1, 65519, -2049)}, {"x": f32(65520, 1e6, -1e6, NAN)}], exact=True)
def casts_to_half_and_back(x):
    return {"half": tf.cast(tf.cast(x, tf.float16), tf.float32), "brain": tf.cast(tf.cast(x, tf.bfloat16), tf.float32)}


@group.function(VECTOR, [{"x": f32(-7, 12.7, 254.5, 300)}, {"x": f32(1e12, -1e12, INF)}], exact=True)
def casts_that_saturate(x):
    return {"byte": tf.saturate_cast(x, tf.uint8), "short": tf.saturate_cast(x * 1000, tf.int16)}


@group.function({"n": ([None], "int32")}, [{"n": i32(16777217, -16777219, 2**31 - 1, 5)}], exact=True)
def casts_of_large_int32(n):
    return {
        "float": tf.cast(n, tf.float32),
        "back": tf.cast(tf.cast(n, tf.float32), tf.int32),
        "byte": tf.cast(n, tf.uint8),
    }


@group.function(VECTOR, [{"x": f32(-1, 0, 2)}, {"x": f32(0, NAN)}, {"x": f32(INF)}, {"x": f32()}])
def numbers_must_be_finite(x):
    return tf.debugging.check_numerics(x * 2, "the doubled input") - 1


@group.function(VECTOR, [{"x": f32(-5, -1.5, 0, 0.25, 4, 99)}, {"x": f32(NAN, INF, -INF)}], exact=True)
def buckets(x):
    edges = f32(-1.5, 0, 0.5, 4)
    return {
        "bucket": tf.raw_ops.Bucketize(input=x, boundaries=edges.tolist()),
        "left": tf.searchsorted(edges, x),
        "right": tf.searchsorted(edges, x, side="right"),
        "histogram": tf.histogram_fixed_width(x, [-2.0, 5.0], 4),
    }


@group.function(VECTOR, [{"x": f32(1, -2, 1e10)}, {"x": f32(NAN, INF)}], exact=True)
def bits_of_numbers(x):
    return {"bits": tf.bitcast(x, tf.int32), "next": tf.math.nextafter(x, x + 1)}


@group.function(VECTOR, float_cases(rows=(1, 4)))
def numbers_with_infinite_constants(x):
    return {"barrier": tf.where(x > 0, x, -INF), "nan": x + f32(NAN), "best": tf.reduce_max(tf.where(x > 9, x, -INF))}
