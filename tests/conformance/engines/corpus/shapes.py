"""Shapes that depend on the input: views, paddings, repetitions, products, and the sum of nothing."""

import numpy as np

from corpus.registry import Arrays, Group, Random, tf
from corpus.values import constant, f32, float_cases, i32, normal

group = Group("shapes")
ROWS = {"x": ([None, 6], "float32")}
FREE = {"x": ([None, None], "float32")}


def _free(random: Random) -> list[Arrays]:
    return [{"x": normal(random, *shape)} for shape in ((1, 1), (2, 3), (5, 4), (0, 3), (2, 0))]


def _with(name: str, *values: object, shape: tuple[int, ...] = (3, 4)):
    return lambda random: [{"x": normal(random, *shape), name: np.array(value, np.int32)} for value in values]


@group.function(FREE, _free, exact=True)
def what_the_shape_is(x):
    shape = tf.shape(x)
    return {
        "shape": shape,
        "size": tf.size(x),
        "rank": tf.rank(x),
        "product": tf.reduce_prod(shape),
        "wide": tf.shape(x, out_type=tf.int64),
    }


@group.function(FREE, _free, exact=True)
def flattened_and_back(x):
    shape = tf.shape(x)
    return {
        "flat": tf.reshape(x, [-1]),
        "turned": tf.reshape(x, [shape[1], shape[0]]),
        "column": tf.reshape(x, tf.stack([shape[0] * shape[1], 1])),
    }


@group.function(
    {**FREE, "shape": ([None], "int32")},
    _with("shape", [4, 3], [-1], [2, -1, 3], [5, -1], [3, 5], [-1, -1], []),
    exact=True,
)
def shape_from_the_caller(x, shape):
    return tf.reshape(x, shape)


@group.function(
    {"x": ([None, None], "float32"), "times": ([2], "int32")},
    _with("times", [1, 1], [2, 3], [0, 1], [-1, 1]),
    exact=True,
)
def repeated_by_the_caller(x, times):
    return tf.tile(x, times)


@group.function(
    {"x": ([None, None], "float32"), "pads": ([2, 2], "int32")},
    _with("pads", [[0, 0], [1, 2]], [[3, 0], [0, 1]], [[-1, 0], [0, 0]]),
    exact=True,
)
def padded_by_the_caller(x, pads):
    return tf.pad(x, pads, constant_values=-2.5)


@group.function({"x": ([None, None], "float32"), "shape": ([2], "int32")}, lambda r: [
    {"x": normal(r, 1, 4), "shape": i32(*shape)} for shape in ((3, 4), (1, 4), (0, 4), (3, 5))
], exact=True)  # fmt: skip
def broadcast_by_the_caller(x, shape):
    return tf.broadcast_to(x, shape)


@group.function(
    {"x": ([None, None], "float32"), "order": ([2], "int32")},
    _with("order", [0, 1], [1, 0], [0, 0], [0, 2]),
    exact=True,
)
def axes_ordered_by_the_caller(x, order):
    return tf.transpose(x, order)


@group.function({"x": ([None, None], "float32"), "shift": ([], "int32")}, _with("shift", 0, 1, -1, 9), exact=True)
def rolled_by_the_caller(x, shift):
    return {"rows": tf.roll(x, shift, 0), "columns": tf.roll(x, shift, 1)}


@group.function({"x": ([None, None], "float32"), "axis": ([], "int32")}, _with("axis", 0, 1, -1, 2))
def reduced_along_the_callers_axis(x, axis):
    return tf.reduce_sum(x, axis)


@group.function(
    {"x": ([None, None, 2], "float32")},
    lambda r: [{"x": normal(r, *shape)} for shape in ((3, 4, 2), (2, 2, 2), (3, 3, 2))],
    exact=True,
)
def mirrored_borders(x):
    pads = [[0, 0], [1, 1], [0, 1]]
    return {"reflected": tf.pad(x, pads, "REFLECT"), "symmetric": tf.pad(x, [[2, 1], [2, 0], [0, 0]], "SYMMETRIC")}


@group.function(
    {"x": ([None, None], "float32")}, lambda r: [{"x": normal(r, 2, size)} for size in (4, 3, 2, 1)], exact=True
)
def mirrored_further_than_it_reaches(x):
    return tf.pad(x, [[0, 0], [2, 0]], "REFLECT")


@group.function(ROWS, float_cases(6), exact=True)
def rolls(x):
    return {"one": tf.roll(x, 2, 1), "both": tf.roll(x, [1, -2], [0, 1]), "far": tf.roll(x, 13, -1)}


@group.function(ROWS, float_cases(6), exact=True)
def slices(x):
    return {
        "steps": x[:, 1::2],
        "backwards": x[:, ::-1],
        "negative": x[:, -4:-1],
        "new_axis": x[:, None, 2],
        "ellipsis": x[..., 3:],
        "empty": x[:, 4:2],
        "rows": x[::-1],
        "end": x[-1:],
    }


@group.function(ROWS, float_cases(6), exact=True)
def parts(x):
    first, second, third = tf.split(x, 3, 1)
    short, long = tf.split(x, [1, 5], 1)
    return {"second": second, "sum": first - third, "long": long * short, "unstacked": tf.unstack(x, axis=1)[4]}


@group.function({"x": ([None, 4], "float32")}, float_cases(4, rows=(1, 3, 4, 0)), exact=True)
def parts_of_a_batch(x):
    return {"halves": tf.stack(tf.split(x, 2, 1)), "pairs": tf.reshape(x, [-1, 2, 2]), "half": tf.reshape(x, [-1, 8])}


@group.function({"x": ([None, None], "float32"), "z": ([None, None], "float32")}, lambda r: [
    {"x": normal(r, *a), "z": normal(r, *b)} for a, b in (((2, 3), (4, 3)), ((0, 3), (1, 3)), ((2, 3), (2, 4)))
], exact=True)  # fmt: skip
def joined(x, z):
    return {"concat": tf.concat([x, z, x], 0)}


@group.function({"x": ([None, None], "float32"), "z": ([None, None], "float32")}, lambda r: [
    {"x": normal(r, *a), "z": normal(r, *b)} for a, b in (((2, 3), (2, 3)), ((1, 3), (4, 1)), ((0, 3), (1, 3)), ((2, 3), (3, 3)))
])  # fmt: skip
def stretched(x, z):
    return x * z + z


@group.function({"x": ([None, 3, 4], "float32")}, float_cases(3, 4))
def einsums(x):
    weights, square = constant(4, 2, 5), constant(4, 4)
    return {
        "heads": tf.einsum("bid,dhe->bhie", x, weights),
        "scores": tf.einsum("bid,bjd->bij", x, x),
        "trace": tf.einsum("bid,bid->b", x, x),
        "sum": tf.einsum("bid->d", x),
        "bilinear": tf.einsum("bid,de,bje->bij", x, square, x),
        "ellipsis": tf.einsum("...d,de->...e", x, square),
        "turned": tf.einsum("bid->dib", x),
    }


@group.function(FREE, _free)
def reductions_of_nothing(x):
    nothing = x[:0]
    return {
        "sum": tf.reduce_sum(nothing, 0),
        "product": tf.reduce_prod(nothing, 0),
        "largest": tf.reduce_max(nothing, 0),
        "mean": tf.reduce_mean(nothing, 0),
        "all": tf.reduce_all(nothing > 0, 0),
        "of_all": tf.reduce_sum(nothing),
    }


@group.function(
    ROWS, [{"x": np.zeros((0, 6), np.float32)}, {"x": f32([1, 2, 3, 4, 5, 6])}, {"x": np.zeros((0, 6), np.float32)}]
)
def batches_of_none_and_one(x):
    return {
        "softmax": tf.nn.softmax(x),
        "mean": tf.reduce_mean(x, 1),
        "product": x @ constant(6, 2),
        "joined": tf.concat([x, x], 0),
    }


@group.function({"n": ([], "int32")}, [{"n": np.int32(n)} for n in (0, 1, 5, -1)], exact=True)
def made_from_a_number(n):
    return {"range": tf.range(n), "filled": tf.fill([n, 2], 1.5)}


@group.function(
    {"n": ([], "int32"), "step": ([], "int32")},
    [{"n": np.int32(n), "step": np.int32(s)} for n, s in ((9, 2), (9, -2), (-9, -2), (0, 1), (5, 0))],
    exact=True,
)
def ranges_with_steps(n, step):
    return {"up": tf.range(1, n, step), "scaled": tf.cast(tf.range(0, n, step), tf.float32) / 4}


@group.function({"x": ([], "float32")}, [{"x": np.float32(x)} for x in (1, 0.3, 2.05)])
def ranges_of_floats(x):
    return {"range": tf.range(0.0, x, 0.1), "between": tf.linspace(-x, x, 5)}


@group.function(
    {"x": ([None], "float32"), "z": ([None], "float32")},
    [{"x": f32(1, 2, 3), "z": f32(4, 5)}, {"x": f32(), "z": f32(1)}],
    exact=True,
)
def grids(x, z):
    across, down = tf.meshgrid(x, z)
    return {"across": across, "down": down, "outer": x[:, None] * z, "repeat": tf.repeat(x, 2)}


@group.function({"x": ([None, 4, 5], "float32")}, float_cases(4, 5), exact=True)
def bands_and_diagonals(x):
    return {
        "lower": tf.linalg.band_part(x, -1, 0),
        "band": tf.linalg.band_part(x, 1, 2),
        "diagonal": tf.linalg.diag_part(x),
        "above": tf.linalg.diag_part(x, k=1),
        "matrix": tf.linalg.diag(x[:, 0]),
        "set": tf.linalg.set_diag(x, x[:, :, 0]),
    }


@group.function({"x": ([None, 1, 4, 1], "float32")}, float_cases(1, 4, 1), exact=True)
def axes_of_one(x):
    return {
        "all": tf.squeeze(x, [1, 3]),
        "last": tf.squeeze(x, -1),
        "more": tf.expand_dims(x, 2),
        "moved": tf.transpose(x, [3, 0, 2, 1]),
    }


@group.function({"x": ([None, None, 3], "float32")}, lambda r: [{"x": normal(r, 2, size, 3)} for size in (4, 2, 1)])
def a_size_that_is_required(x):
    return tf.ensure_shape(x, [None, 4, 3]) + 1


@group.function(
    ROWS, lambda r: [{"x": normal(r, n, 6)} for n in (1, 3)] + [{"x": f32([1, 2, 3, 99, 5, 6])}], autograph=True
)
def a_bound_that_is_asserted(x):
    tf.debugging.assert_less_equal(tf.reduce_max(x), 50.0, message="more than fifty")
    return tf.sqrt(tf.abs(x))


@group.function(
    {"x": ([None, None], "float32")}, lambda r: [{"x": normal(r, *shape)} for shape in ((2, 4), (3, 4), (2, 5), (0, 4))]
)
def product_of_a_free_size(x):
    return tf.matmul(x, constant(4, 3))
