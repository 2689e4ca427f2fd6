"""Operators that the list of those proven for OpenVINO has and no other model of the corpus reaches with that type."""

from collections.abc import Callable
from typing import Any

import numpy as np

from corpus.registry import Arrays, Group, named, tf
from corpus.values import float_cases

group = Group("listed_operators")
Call = Callable[[Any], Any]

WHOLE = ([16_777_216, -16_777_216, 5, 7], [3, 0, -1, 123_456])
VALUES: dict[str, Any] = {
    "int64": WHOLE,
    "int32": WHOLE,
    "uint8": ([255, 0, 127, 3], [128, 254, 1, 200]),
    "bool": ([True, False, True, True], [False, False, True, False]),
}
MOVES: dict[str, Call] = {
    "reversed": lambda x: tf.reverse(x, [1]),
    "stretched": lambda x: tf.raw_ops.BroadcastTo(input=x[:, None, :], shape=tf.stack([tf.shape(x)[0], 3, 4])),
    "gathered": lambda x: tf.gather(x, [3, 0, 3], axis=1),
    "expanded": lambda x: tf.expand_dims(x, 1),
    "squeezed": lambda x: tf.squeeze(x[:, 1:2], 1),
    "unpacked": lambda x: tf.unstack(x, axis=1)[2],
    "sliced": lambda x: tf.slice(x, [0, 1], [-1, 2]),
    "filled": lambda x: tf.fill(tf.stack([tf.shape(x)[0], 2]), tf.constant(1, x.dtype) if x.dtype != tf.bool else True),
    "same": named("identity"),
}
ARITHMETIC: dict[str, Call] = {
    "magnitude": named("abs"),
    "largest": lambda x: tf.reduce_max(x, 1),
    "least": lambda x: tf.reduce_min(x, 1),
    "smaller": lambda x: tf.minimum(x, 3),
    "negative": lambda x: -x,
    "unequal": lambda x: tf.not_equal(x, 5),
    "at_most": lambda x: x <= 5,
    "zeros": named("zeros_like"),
    "ones": named("ones_like"),
    "framed": lambda x: tf.pad(x, [[0, 0], [1, 2]], constant_values=9),
    "product": lambda x: tf.reduce_prod(tf.clip_by_value(x, -3, 3), 1),
}


def _cases(dtype: str) -> list[Arrays]:
    both = np.array(VALUES[dtype], dtype)
    return [{"x": both}, {"x": both[:1]}, {"x": both[1:]}, {"x": np.array([[1, 0, 1, 1]] * 5, dtype)}]


def _add(name: str, calls: dict[str, Call], dtype: str) -> None:
    def call(x: Any) -> Any:
        return {key: each(x) for key, each in calls.items()}

    # Every entry has to be reached where OpenVINO answers.
    group.add_function(
        f"listed_{name}_of_{dtype}", call, {"x": ([None, 4], dtype)}, _cases(dtype), exact=True, engine="openvino"
    )


for _dtype in ("int32", "int64", "uint8", "bool"):
    _add("moves", MOVES, _dtype)
for _dtype in ("int32", "int64"):
    _add("arithmetic", ARITHMETIC, _dtype)

FLOATS = {"x": ([None, 4], "float32")}
_floats = float_cases(4)


@group.function(FLOATS, _floats, engine="openvino")
def listed_functions_of_numbers(x: Any) -> Any:
    bounded = tf.tanh(x) * 3
    positive = tf.nn.sigmoid(x) + 0.1
    return {
        "sine": tf.sin(bounded),
        "cosine": tf.cos(bounded),
        "logarithm": tf.math.log(positive),
        "sum": tf.raw_ops.Add(x=x, y=x[:, :1]),
        "leaky": tf.nn.leaky_relu(x, 0.3),
        "framed": tf.pad(x, [[0, 0], [1, 2]], constant_values=-5.0),
        "ones": tf.ones_like(x),
        "stretched": MOVES["stretched"](x),
    }


@group.function(FLOATS, _floats, engine="openvino")
def listed_parts_of_uneven_sizes(x: Any) -> Any:
    first, _, last = tf.split(x, [1, 1, 2], 1)
    return {"first": first, "last": last, "band": x[:, None, :] * tf.linalg.band_part(tf.ones([4, 4]), 1, 0)}


@group.function(FLOATS, [{"x": np.float32([[1, -2, 2.5, 3.5], [0.5, -0.5, 1.5, -1.5]])}], exact=True, engine="openvino")
def listed_roundings(x: Any) -> Any:
    return {"round": tf.round(x), "down": tf.floor(x), "up": tf.math.ceil(x)}


@group.function(FLOATS, _floats, engine="openvino")
def listed_sizes(x: Any) -> Any:
    rows = tf.shape(x)[0]
    half, rest = (rows * 4) // 2, rows % 3
    wide = tf.shape(x, out_type=tf.int64)[0]
    return {
        "half": tf.fill([2], half),
        "rest": tf.fill([2], rest),
        "places": tf.range(rows),
        "wide_places": tf.range(wide),
        "wide_half": tf.fill([2], wide // 2),
        "wide_rest": tf.fill([2], wide % 3),
        "count": tf.size(x),
        "wide_count": tf.size(x, out_type=tf.int64),
    }


@group.function(
    {"i": ([None], "int32"), "w": ([None], "int64")},
    [
        {"i": np.int32([0, 4, 2]), "w": np.int64([4, 0, 1])},
        {"i": np.int32([5]), "w": np.int64([0])},
        {"i": np.int32([-1]), "w": np.int64([7])},
    ],
)
def listed_marks(i: Any, w: Any) -> Any:
    return {"one_hot": tf.one_hot(tf.clip_by_value(i, 0, 4), 5), "wide": tf.one_hot(tf.clip_by_value(w, 0, 4), 5)}


@group.function(
    {"x": ([None, 4], "float32"), "chosen": ([None, 4], "bool")},
    [
        {"x": np.float32([[1, 2, 3, 3], [-1, 0, -1, 4]]), "chosen": np.array([[True, False, True, False]] * 2)},
        {"x": np.float32([[7, 7, 7, 7]]), "chosen": np.array([[False] * 4])},
    ],
    exact=True,
    engine="openvino",
)
def listed_choices(x: Any, chosen: Any) -> Any:
    return {
        "either": tf.logical_or(x > 1, chosen),
        "one": tf.where(chosen, x > 0, x < 0),
        "place": tf.argmax(x, 1),
        "short_place": tf.argmax(x, 1, output_type=tf.int32),
        "least_place": tf.argmin(x, 1),
        "short_least_place": tf.argmin(x, 1, output_type=tf.int32),
        "number": tf.cast(chosen, tf.uint8),
        "truth": tf.cast(tf.cast(chosen, tf.int32), tf.bool),
    }


@group.function(
    {"x": ([None, 6, 6, 3], "uint8")},
    lambda random: [{"x": random.integers(0, 256, (rows, 6, 6, 3)).astype(np.uint8)} for rows in (1, 2)],
    atol=1e-3,
)
def listed_bytes_resized(x: Any) -> Any:
    return {
        "near": tf.raw_ops.ResizeNearestNeighbor(images=x, size=[4, 9], half_pixel_centers=True),
        "smooth": tf.raw_ops.ResizeBilinear(images=x, size=[4, 9], half_pixel_centers=True),
    }
