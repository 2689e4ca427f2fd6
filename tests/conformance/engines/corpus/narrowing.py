"""Exact or wide arithmetic inside a model whose ends are narrow, where a faster engine may quietly round."""

import numpy as np

from corpus.registry import Group, tf
from corpus.values import f32, float_cases, i32, i64, integers

group = Group("narrowing")
FLOATS, INTEGERS = {"x": ([None], "float32")}, {"n": ([None], "int32")}
TWO = {"n": ([None], "int32"), "m": ([None], "int32")}
# Seconds since 1970, which float32 holds to 128 seconds.
TIMES = [
    {"n": i32(1_700_000_001, 1_700_000_127, 1_699_999_999)},
    {"n": i32(0, -1, 2**31 - 1)},
    {"n": i32(16_777_217)},
    {"n": i32()},
]
PAIRS = [
    {"n": i32(7, -7, 7, -7, 0), "m": i32(2, 2, -2, -2, 5)},
    {"n": i32(2**31 - 1, 2**30 + 7, -(2**31)), "m": i32(10, 2**24 + 1, 3)},
    {"n": i32(123_456_789, 987_654_321), "m": i32(1000, 7)},
]


@group.function(INTEGERS, TIMES, exact=True)
def time_of_day(n):
    return {"hour": n % 86_400 // 3600, "second": n % 60, "day": n // 86_400, "weekday": (n // 86_400 + 4) % 7}


@group.function(INTEGERS, TIMES, exact=True)
def time_since_another(n):
    since = n - 1_699_999_999
    return {
        "seconds": tf.cast(since, tf.float32),
        "late": n > 1_700_000_000,
        "same": n == 1_700_000_001,
        "last": tf.reduce_max(since),
    }


@group.function(INTEGERS, TIMES, exact=True, engine="tensorflow")
def time_in_milliseconds(n):
    milliseconds = tf.cast(n, tf.int64) * 1000 + 7
    return {"hour": tf.cast(milliseconds // 3_600_000 % 24, tf.int32), "rest": tf.cast(milliseconds % 1009, tf.float32)}


@group.function(
    {"n": ([None], "int64")},
    [{"n": i64(1_700_000_000_123, 1)}, {"n": i64(2**53 + 1)}, {"n": i64()}],
    exact=True,
    engine="tensorflow",
)
def time_stamp_of_64_bits(n):
    return {"fraction": tf.cast(n % 86_400_000, tf.float32) / 86_400_000.0, "odd": n % 2 == 1}


@group.function(TWO, [*PAIRS, {"n": i32(1, 2), "m": i32(1, 0)}], exact=True)
def integer_quotients(n, m):
    return {"floor": n // m, "modulo": n % m}


@group.function(TWO, [*PAIRS, {"n": i32(1, 2), "m": i32(1, 0)}], exact=True)
def integer_quotients_towards_zero(n, m):
    return {"quotient": tf.truncatediv(n, m), "rest": tf.raw_ops.TruncateMod(x=n, y=m)}


@group.function(TWO, PAIRS, exact=True)
def integer_products_and_bounds(n, m):
    return {
        "product": n * m,
        "square": n * n,
        "bound": tf.clip_by_value(n, -m * m, 2**24 + 3),
        "distance": tf.abs(n - m),
    }


@group.function(TWO, [{"n": i32(3, -2, 7, 10), "m": i32(19, 31, 11, 0)}, {"n": i32(2), "m": i32(-1)}], exact=True)
def integer_powers(n, m):
    return n**m


@group.function(TWO, PAIRS, rtol=1e-12)
def true_quotients_of_integers(n, m):
    return n / m


@group.function(
    {"n": ([None, 3], "int32")},
    lambda r: [{"n": integers(r, 2**20, rows, 3) + 2**24} for rows in (1, 2, 5, 0)],
    exact=True,
)
def integer_products_of_matrices(n):
    return {
        "matrix": n @ i32([1, 2], [3, -4], [5, 60]),
        "own": tf.matmul(n, n, transpose_b=True),
        "einsum": tf.einsum("ni,mi->nm", n, n),
    }


@group.function(
    {"n": ([None, 4], "int32")},
    lambda r: [{"n": integers(r, 2**30, rows, 4)} for rows in (1, 2, 5)] + [{"n": i32([-1, -2, -3, -5])}],
    exact=True,
)
def integer_reductions(n):
    return {
        "sum": tf.reduce_sum(n, 1),
        "product": tf.reduce_prod(n, 0),
        "mean": tf.reduce_mean(n, 1),
        "largest": tf.reduce_max(n, 1),
        "place": tf.argmin(n, 1, output_type=tf.int32),
        "running": tf.cumsum(n, 1),
    }


@group.function(INTEGERS, [{"n": i32(2**24 + 1, 2**24, 2**24 + 2, 2**24 + 1)}, {"n": i32(5)}], exact=True)
def integers_in_order(n):
    values, places = tf.math.top_k(n, 1)
    return {"sorted": tf.sort(n), "best": values, "place": places, "argsort": tf.argsort(n, stable=True)}


@group.function(INTEGERS, [{"n": i32(0, -1, 12345, 2**31 - 1, -(2**31))}], exact=True)
def integer_bits(n):
    bits = tf.bitwise
    return {
        "and": bits.bitwise_and(n, 0x0FF0),
        "or": bits.bitwise_or(n, 3),
        "xor": bits.bitwise_xor(n, -1),
        "left": bits.left_shift(n, 3),
        "right": bits.right_shift(n, 4),
        "inverted": bits.invert(n),
    }


@group.function(INTEGERS, [{"n": i32(0, 1, 99, 2**31 - 1, -3)}], exact=True)
def integer_hash_of_32_bits(n):
    mixed = n * 73_856_093
    mixed = tf.bitwise.bitwise_xor(mixed, tf.bitwise.right_shift(mixed, 13)) * 19_349_663
    return tf.math.floormod(mixed, 1000)


@group.function(INTEGERS, [{"n": i32(0, 1, 99, 2**31 - 1, -3)}], exact=True, engine="tensorflow")
def integer_hash_of_64_bits(n):
    mixed = tf.cast(n, tf.int64) * 2_654_435_761
    return tf.cast(tf.math.floormod(mixed, 2**32 + 15) % 1000, tf.int32)


@group.function(INTEGERS, [{"n": i32(2**31 - 1, -(2**31), 2**24 + 1, 0)}], exact=True)
def integer_functions(n):
    return {
        "abs": tf.abs(n),
        "negative": -n,
        "sign": tf.sign(n),
        "squared": tf.math.squared_difference(n, 3),
        "cube": n**3,
    }


@group.function(FLOATS, [{"x": f32(1e8, 1, -1e8, 0.5)}, {"x": f32(16777216, 1, 1)}, {"x": f32()}], engine="tensorflow")
def double_sum_inside(x):
    return tf.cast(tf.reduce_sum(tf.cast(x, tf.float64)), tf.float32)


@group.function(FLOATS, [{"x": f32(10_000, 10_001, 10_002)}, {"x": f32(1e6, 1e6 + 0.25)}], engine="tensorflow")
def double_variance_inside(x):
    wide = tf.cast(x, tf.float64)
    return tf.cast(tf.reduce_mean(wide**2) - tf.reduce_mean(wide) ** 2, tf.float32)


@group.function(FLOATS, [{"x": f32(0.1, 1e-9, 3)}], engine="tensorflow")
def double_constant_inside(x):
    return tf.cast((tf.cast(x, tf.float64) + 1e9) - 1e9, tf.float32)


@group.function(FLOATS, [{"x": f32(2048, 0.3, 1e-3, 7)}, {"x": f32(70_000)}], exact=True)
def half_sum_inside(x):
    return tf.cast(tf.cast(x, tf.float16) + 1 + 1, tf.float32)


@group.function(FLOATS, [{"x": f32(256, 0.3, 1e-3, 7)}], exact=True)
def brain_sum_inside(x):
    return tf.cast(tf.cast(x, tf.bfloat16) * 3 + 1, tf.float32)


@group.function(FLOATS, [{"x": f32(200, 100, 255, 0)}], exact=True)
def byte_sum_inside(x):
    byte = tf.cast(x, tf.uint8)
    return {
        "sum": tf.cast(byte + byte, tf.float32),
        "difference": tf.cast(byte - 101, tf.float32),
        "product": tf.cast(byte * 3, tf.int32),
    }


@group.function(FLOATS, [{"x": f32(32_000, -32_000, 300)}], exact=True)
def short_product_inside(x):
    short = tf.cast(x, tf.int16)
    return {"product": tf.cast(short * short, tf.float32), "sum": tf.cast(short + 1000, tf.int32)}


@group.function(FLOATS, [{"x": f32(60_000, 5, 0)}], exact=True)
def unsigned_difference_inside(x):
    return {
        "short": tf.cast(tf.cast(x, tf.uint16) - 6, tf.float32),
        "word": tf.cast(tf.cast(x, tf.uint32) - 6, tf.float32),
        "shifted": tf.cast(tf.bitwise.right_shift(tf.cast(x, tf.uint32) - 6, 8), tf.float32),
    }


@group.function(FLOATS, [{"x": f32(3, 100_000, -70_000)}], exact=True, engine="tensorflow")
def wide_square_inside(x):
    wide = tf.cast(x, tf.int64)
    return {"rest": tf.cast(wide * wide % 10_007, tf.float32), "large": wide * wide > 2**32}


@group.function(FLOATS, [{"x": f32(2.5, 16_777_217, -1e6)}], exact=True, engine="tensorflow")
def unsigned_wide_inside(x):
    return tf.cast(tf.cast(tf.abs(x), tf.uint64) * 3_000_000_000_000 % 1_000_003, tf.float32)


@group.function({"x": ([None, 3], "float32")}, float_cases(3, rows=(1, 2, 5)), engine="tensorflow")
def complex_product_inside(x):
    turned = tf.complex(x, -x) * tf.constant(2 + 1j, tf.complex64)
    return {"real": tf.math.real(turned), "length": tf.abs(turned), "angle": tf.math.angle(turned)}


@group.function(FLOATS, [{"x": f32(0.5, 3, -1)}, {"x": f32(16_777_216)}], exact=True)
def counter_inside(x):
    count = tf.size(x) * 16_777_217
    return {"count": count, "rest": tf.cast(count % 1000, tf.float32) + x}


@group.function(
    {"n": ([None, 2], "int32")}, [{"n": i32([1_700_000_001, 1_700_000_002], [16_777_217, 16_777_216])}], exact=True
)
def integer_comparison_of_columns(n):
    first, second = n[:, 0], n[:, 1]
    return {
        "less": first < second,
        "same": first == second,
        "chosen": tf.where(first > second, first, second),
        "mean": (first - second) // 2,
    }


@group.function({"n": ([None], "int32")}, [{"n": i32(1, 2, 3)}, {"n": i32(70_000, 5)}], exact=True, engine="tensorflow")
def wide_product_of_a_reduction(n):
    total = tf.reduce_prod(tf.cast(n, tf.int64) * 100_003)
    return tf.cast(total % 97, tf.int32) + np.int32(0)
