"""One operator a model, for types that an engine may compute as another: nothing else in the model decides who runs it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from corpus.registry import Arrays, Group, named, tf
from corpus.version_1 import add_graph

group = Group("single_operators")
Call = Callable[[Any], Any]

# Neighbours of 2 to the 24th and the ends of the range: float32 would lose their last digits.
WHOLE = ([16_777_217, -16_777_219, 5, 2**31 - 1], [33_554_433, 0, -(2**31), 123_456_789])
VALUES: dict[str, Sequence[Sequence[Any]]] = {
    "int32": WHOLE,
    "int64": ([2**53 + 1, -5, 2**31, 7], [2**24 + 1, 0, -(2**40), 3]),
    "uint8": ([255, 0, 127, 3], [128, 254, 1, 200]),
    "float16": ([1.001, -2049, 65504, 6e-5], [0.1, 0, -0.333, 512]),
    "bool": ([True, False, True, True], [False, False, True, False]),
}

MOVES: dict[str, Call] = {
    "reversed": lambda x: tf.reverse(x, [1]),
    "rolled": lambda x: tf.roll(x, 1, 1),
    "padded": lambda x: tf.pad(x, [[1, 0], [0, 2]]),
    "mirrored": lambda x: tf.pad(x, [[0, 0], [2, 1]], "REFLECT"),
    "tiled": lambda x: tf.tile(x, [2, 1]),
    "joined": lambda x: tf.concat([x, x[:, 1:]], 1),
    "stacked": lambda x: tf.stack([x, x], 1),
    "turned": named("transpose"),
    "shaped": lambda x: tf.reshape(x, [-1, 2]),
    "sliced": lambda x: x[:, 1:3],
    "sliced_back": lambda x: x[:, ::-2],
    "parted": lambda x: tf.split(x, 2, 1)[1],
    "gathered": lambda x: tf.gather(x, [3, 0], axis=1),
    "picked": lambda x: tf.gather_nd(x, [[0, 2], [0, 0]]),
    "stretched": lambda x: tf.broadcast_to(x[:, :1], tf.shape(x)),
    "chosen": lambda x: tf.where(tf.constant([True, False, False, True]), x, x[:, ::-1]),
    "diagonal": lambda x: tf.linalg.band_part(x[:, :, None], 0, 0),
    "scattered": lambda x: tf.scatter_nd([[2], [0]], tf.transpose(x)[:2], tf.stack([3, tf.shape(x)[0]])),
    "updated": lambda x: tf.tensor_scatter_nd_update(x, [[0, 1]], x[0, 3:]),
    "same": named("identity"),
    "repeated": lambda x: tf.repeat(x, 2, 1),
    "unstacked": lambda x: tf.unstack(x, axis=1)[2],
    "squeezed": lambda x: tf.squeeze(x[:, :1], 1),
    "sequence": lambda x: tf.reverse_sequence(x, tf.fill([tf.shape(x)[0]], 3), 1),
}

ARITHMETIC: dict[str, Call] = {
    "sum": lambda x: x + 3,
    "sum_of_columns": lambda x: x[:, :2] + x[:, 2:],
    "difference": lambda x: 7 - x,
    "product": lambda x: x * 5,
    "square": named("square"),
    "negative": lambda x: -x,
    "magnitude": named("abs"),
    "sign": named("sign"),
    "floored": lambda x: x // 10,
    "modulo": lambda x: x % 10,
    "modulo_of_negative": lambda x: x % -7,
    "truncated": lambda x: tf.truncatediv(x, 10),
    "true_quotient": lambda x: x / 10,
    "larger": lambda x: tf.maximum(x, 16_777_216),
    "smaller": lambda x: tf.minimum(x, 16_777_216),
    "bounded": lambda x: tf.clip_by_value(x, -16_777_218, 16_777_218),
    "total": lambda x: tf.reduce_sum(x, 1),
    "best": lambda x: tf.reduce_max(x, 1),
    "worst": lambda x: tf.reduce_min(x, 0),
    "factorial": lambda x: tf.reduce_prod(x, 1),
    "mean": lambda x: tf.reduce_mean(x, 1),
    "running": lambda x: tf.cumsum(x, 1),
    "place": lambda x: tf.argmax(x, 1, output_type=tf.int32),
    "order": lambda x: tf.argsort(x, 1, stable=True),
    "sorted": lambda x: tf.sort(x, 1),
    "top": lambda x: tf.math.top_k(x, 2)[0],
    "equal": lambda x: tf.equal(x, 16_777_216),
    "less": lambda x: tf.less(x, 16_777_217),
    "unequal": lambda x: tf.not_equal(x, 16_777_218),
    "at_least": lambda x: x >= 16_777_218,
    "cubed": lambda x: tf.pow(x, 3),
    "matrix": lambda x: tf.matmul(x, tf.ones([4, 2], tf.int32)),
    "dot": lambda x: tf.einsum("ij,kj->ik", x, x),
    "float": lambda x: tf.cast(x, tf.float32),
    "truth": lambda x: tf.cast(x, tf.bool),
    "wide": lambda x: tf.cast(x, tf.int64),
    "narrow": lambda x: tf.cast(x, tf.uint8),
    "short": lambda x: tf.cast(x, tf.int16),
    "and": lambda x: tf.bitwise.bitwise_and(x, 0xFFFF),
    "shifted": lambda x: tf.bitwise.right_shift(x, 2),
    "squared_difference": lambda x: tf.math.squared_difference(x, 3),
    "added_up": lambda x: tf.add_n([x, x, x]),
    "range": lambda x: tf.range(x[0, 2], x[0, 2] + 3),
    "one_hot": lambda x: tf.one_hot(x[:, 2], 6, on_value=16_777_217, off_value=-16_777_217),
    "filled": lambda x: tf.fill([2, 2], x[0, 0]),
    "segments": lambda x: tf.math.unsorted_segment_sum(x[0], [0, 1, 0, 1], 2),
    "zeros": lambda x: tf.zeros_like(x) + tf.ones_like(x),
}


def _cases(dtype: str) -> list[Arrays]:
    both = np.array(VALUES[dtype], dtype)
    return [{"x": both}, {"x": both[:1]}, {"x": both[1:]}, {"x": np.array([[1, 0, 1, 1]] * 5, dtype)}]


def _several(calls: Sequence[tuple[str, Call]]) -> Call:
    return lambda x: {name: call(x) for name, call in calls}


for _name, _call in MOVES.items():
    for _dtype in ("int32", "int64"):
        add_graph(group, f"{_dtype}_{_name}", _call, {"x": ([None, 4], _dtype)}, _cases(_dtype), exact=True)
for _dtype in ("uint8", "float16", "bool"):
    _moves = list(MOVES.items())
    for _start in range(0, len(_moves), 4):
        _four = _moves[_start : _start + 4]
        _name = "_".join((_dtype, *(name for name, _ in _four)))
        add_graph(group, _name, _several(_four), {"x": ([None, 4], _dtype)}, _cases(_dtype), exact=True)
for _name, _call in ARITHMETIC.items():
    add_graph(group, f"whole_{_name}", _call, {"x": ([None, 4], "int32")}, _cases("int32"), exact=True)
