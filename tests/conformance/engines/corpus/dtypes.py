"""Every type of number, in arithmetic and in copies, at the ends of its range and where it wraps."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from corpus.registry import Arrays, Group, tf
from corpus.values import INF, NAN, f32, i32, i64, texts, u8

group = Group("dtypes")

# For each type: x, z. Ends of the range, and numbers that neighbours of the type could not hold.
NUMBERS: Mapping[str, tuple[list[Any], list[Any]]] = {
    "int8": ([127, -128, 100, -7], [3, -5, 50, 2]),
    "int16": ([32767, -32768, 200, 1], [2, 3, 200, -1]),
    "int32": ([2**31 - 1, -(2**31), 2**24 + 1, 46341], [5, 7, 3, 46341]),
    "int64": ([2**53 + 1, -(2**62), 2**31, 2**32 + 5], [3, 2, 2**31, -9]),
    "uint8": ([255, 0, 128, 9], [2, 1, 128, 250]),
    "uint16": ([65535, 0, 40000, 256], [2, 1, 40000, 256]),
    "uint32": ([2**32 - 1, 0, 2**24 + 1, 65536], [2, 1, 5, 65536]),
    "uint64": ([2**64 - 1, 0, 2**53 + 1, 2**63], [2, 1, 2**33, 3]),
    "float16": ([65504, 1.0009765, 6e-5, -2049], [1, 0.333, 0.5, 1]),
    "float32": ([3.4e38, 1.0000001, 16777216, -1e-30], [2, 0.1, 1, 1e-10]),
    "float64": ([1.7e308, 1 + 2**-40, 2.0**60 + 512, -1e-300], [2, 3, 1, 1e-9]),
}
WIDE = ("uint64", "float64")


def _cases(dtype: str, x: list[Any], z: list[Any]) -> list[Arrays]:
    few = {"x": np.array(x, dtype), "z": np.array(z, dtype)}
    return [few, {name: array[:1] for name, array in few.items()}, {name: array[:0] for name, array in few.items()}]


# Each fits 32 bits, and so does no product.
SMALL = [{"x": i64(70_000, -3, 2**20), "z": i64(70_000, 5, 2**11)}, {"x": i64(2, 3), "z": i64(-5, 7)}]


@group.function({name: ([None], "int64") for name in "xz"}, SMALL, exact=True)
def wide_products_of_small_integers(x, z):
    return {"product": x * z, "cube": x * x * x, "powers": x * z * z}


@group.function({name: ([None], "int64") for name in "xz"}, SMALL, exact=True)
def wide_sums_of_small_integers(x, z):
    return {"sum": x + z, "difference": x - z - z, "shifted": x + 2**31, "many": tf.add_n([x] * 3000)}


@group.function({name: ([None], "int64") for name in "xz"}, SMALL, exact=True, engine="tensorflow")
def wide_reductions_of_small_integers(x, z):
    return {"sum": tf.reduce_sum(x * z), "shifted": x + 2**40, "repeated": tf.reduce_sum(tf.tile(x, [9000]))}


def _arithmetic(x, z):
    return {"sum": x + z + x, "difference": x - z - z, "product": x * z * z}


def _order(x, z):
    return {"larger": tf.maximum(x, z), "less": x < z, "equal": x == z, "chosen": tf.where(x >= z, x, z - x)}


def _copies(x, z):
    return {
        "joined": tf.concat([x, z, x[:1]], 0),
        "backwards": tf.reverse(x, [0]),
        "table": tf.transpose(tf.stack([x, z, x])),
        "repeated": tf.tile(z, [2]),
        "x": x,
    }


for _dtype, (_x, _z) in NUMBERS.items():
    _vectors, _engine = {name: ([None], _dtype) for name in "xz"}, "tensorflow" if _dtype in WIDE else None
    group.add_function(
        f"arithmetic_of_{_dtype}", _arithmetic, _vectors, _cases(_dtype, _x, _z), exact=True, engine=_engine
    )
    group.add_function(f"order_of_{_dtype}", _order, _vectors, _cases(_dtype, _x, _z), exact=True)
    group.add_function(f"copies_of_{_dtype}", _copies, _vectors, _cases(_dtype, _x, _z), exact=True)


def _of_bfloat16(random: np.random.Generator) -> list[Arrays]:
    import ml_dtypes

    brain = ml_dtypes.bfloat16
    return [
        {"x": np.array([1.01, 3e38, -257, NAN], brain), "z": np.array([3, 2, 1, INF], brain)},
        {"x": np.array([], brain), "z": np.array([], brain)},
    ]


BRAIN = {name: ([None], "bfloat16") for name in "xz"}
group.add_function("arithmetic_of_bfloat16", _arithmetic, BRAIN, _of_bfloat16, exact=True)
group.add_function("copies_of_bfloat16", _copies, BRAIN, _of_bfloat16, exact=True)

for _dtype in ("complex64", "complex128"):
    _pair = {"x": np.array([1 + 2j, -3j, 1e20], _dtype), "z": np.array([2 - 1j, 4, 1e-3j], _dtype)}
    _vectors = {name: ([None], _dtype) for name in "xz"}
    group.add_function(f"arithmetic_of_{_dtype}", _arithmetic, _vectors, [_pair], engine="tensorflow")
    group.add_function(f"copies_of_{_dtype}", _copies, _vectors, [_pair], engine="tensorflow")

group.add_function(
    "copies_of_bool",
    _copies,
    {name: ([None], "bool") for name in "xz"},
    [{"x": np.array([True, False, True]), "z": np.array([False, False, True])}],
    exact=True,
)
group.add_function(
    "copies_of_string",
    _copies,
    {name: ([None], "string") for name in "xz"},
    [{"x": texts("a", "", b"\x00\xff"), "z": texts("\u00e4", "long " * 9, "b")}],
    engine="tensorflow",
)


@group.function(
    {"x": ([None, 3, 3], "uint8")},
    lambda r: [{"x": r.integers(0, 256, (n, 3, 3)).astype(np.uint8)} for n in (1, 3, 0)],
    exact=True,
)
def brighter_bytes_wrap(x):
    return {"brighter": x + u8(90), "mean": (x + tf.reverse(x, [1])) // 2, "inverted": 255 - x}


@group.function(
    {"x": ([None], "bool"), "z": ([None], "bool")},
    [{"x": np.array([True, True, False, False]), "z": np.array([True, False, True, False])}],
    exact=True,
)
def logic(x, z):
    return {
        "and": x & z,
        "xor": tf.math.logical_xor(x, z),
        "not": ~(x | z),
        "count": tf.reduce_sum(tf.cast(x, tf.int32)),
        "all": tf.reduce_all(z),
        "chosen": tf.where(x, 1.5, -1.5),
    }


@group.function(
    {"x": ([None], "float16")},
    [{"x": np.array([1, 2049, 0.1, -60000], np.float16)}, {"x": np.array([NAN, INF, 1], np.float16)}],
    rtol=2e-3,
    atol=1e-3,
)
def half_precision_functions(x):
    return {
        "root": tf.sqrt(tf.abs(x)),
        "sigmoid": tf.sigmoid(x),
        "mean": tf.reduce_mean(x),
        "largest": tf.reduce_max(x),
    }


@group.function(
    {"x": ([None, 40], "float16")},
    lambda r: [{"x": (r.random((n, 40)) * 200).astype(np.float16)} for n in (1, 4)],
    rtol=5e-3,
)
def half_precision_sums_overflow(x):
    return {"sum": tf.reduce_sum(x * 10, 1), "product": tf.matmul(x, x, transpose_b=True)}


@group.function(
    {"x": ([None], "float64")},
    [{"x": np.array([1e-200, 1.5, 1e200, -700.5])}, {"x": np.array([NAN, INF])}],
    rtol=1e-12,
    atol=0,
    engine="tensorflow",
)
def double_precision_functions(x):
    return {"exp": tf.exp(x), "log": tf.math.log(tf.abs(x)), "sin": tf.sin(x), "sum": tf.reduce_sum(x)}


@group.function(
    {"x": ([None], "int64")},
    [{"x": i64(2**40 + 3, -5, 0)}, {"x": i64(2**62, 2**62, 2**62)}],
    exact=True,
    engine="tensorflow",
)
def wide_integer_reductions(x):
    return {"sum": tf.reduce_sum(x), "largest": tf.reduce_max(x), "product": tf.reduce_prod(x), "place": tf.argmax(x)}


@group.function({"x": ([None], "int64")}, [{"x": i64(5, 2**33, -1)}, {"x": i64(0, 1)}], exact=True)
def wide_integer_comparisons(x):
    return {"same": x == 5, "more": x > 2**32, "float": tf.cast(x, tf.float32)}


@group.function({"x": ([None], "uint32")}, [{"x": np.array([4_000_000_000, 16_777_217, 0], np.uint32)}], exact=True)
def unsigned_casts(x):
    return {
        "float": tf.cast(x, tf.float32),
        "signed": tf.cast(x, tf.int32),
        "half": x // 2,
        "larger": tf.maximum(x, 3_000_000_000),
    }


@group.function({"x": ([None], "int8")}, [{"x": np.array([-128, -1, 127], np.int8)}], exact=True)
def small_integer_functions(x):
    return {
        "abs": tf.abs(x),
        "negative": -x,
        "sign": tf.sign(x),
        "wide": tf.cast(x, tf.int32) * 1000,
        "unsigned": tf.cast(x, tf.uint8),
    }


@group.function({"x": ([None], "float32"), "n": ([None], "int32"), "flag": ([None], "bool")}, [
    {"x": f32(1.5, -2), "n": i32(3, -4), "flag": np.array([True, False])}, {"x": f32(), "n": i32(), "flag": np.array([], bool)},
])  # fmt: skip
def three_types_at_once(x, n, flag):
    return {"x": tf.where(flag, x, tf.cast(n, tf.float32)), "n": tf.where(flag, n, n * 2), "flag": flag & (x > 0)}


@group.function(
    {"x": ([None], "int16"), "z": ([None], "int16")},
    [{"x": np.array([7, -7, 32767], np.int16), "z": np.array([2, 2, -1], np.int16)}],
    exact=True,
)
def short_integer_quotients(x, z):
    return {"floor": x // z, "rest": x % z}
