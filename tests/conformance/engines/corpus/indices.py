"""Operators that take indices, within range and out of it: TensorFlow refuses some, answers others with zeros."""

import numpy as np

from corpus.registry import Arrays, Group, tf
from corpus.values import constant, f32, i32, i64, integers, normal

group = Group("indices")
IDS = {"ids": ([None], "int32")}
TABLE = {"table": (7, 3)}


def _ids(*batches: list[int], dtype: str = "int32") -> list[Arrays]:
    return [{"ids": np.array(batch, dtype)} for batch in batches]


ROWS_OF_SEVEN = _ids([0, 6, 3], [2], [], [7], [-1], [6, 2**31 - 1], [-7, 0])


@group.function(IDS, ROWS_OF_SEVEN, weights=TABLE, exact=True)
def rows_of_a_table(ids, table):
    return tf.gather(table, ids)


@group.function(
    {"ids": ([None, None], "int64")},
    _ids([[0, 6], [1, 1]], [[7, 0]], [[-1, 0]], [[2**32, 1]], dtype="int64"),
    weights=TABLE,
)
def embedding_of_int64(ids, table):
    return tf.reduce_sum(tf.nn.embedding_lookup(table, ids), axis=1)


@group.function(IDS, ROWS_OF_SEVEN, weights=TABLE)
def embedding_of_bounded_norm(ids, table):
    return tf.nn.embedding_lookup(table, ids, max_norm=0.5)


@group.function(IDS, _ids([0, 4], [5], [-1]), exact=True)
def columns_of_a_constant(ids):
    return tf.gather(constant(3, 5), ids, axis=1)


@group.function({"x": ([None, 4, 3], "float32"), "ids": ([None], "int32")}, lambda r: [
    {"x": normal(r, rows, 4, 3), "ids": np.array(ids, np.int32)} for rows, ids in ((1, [0, 3]), (2, []), (2, [4]), (0, [1]), (3, [-1]))
], exact=True)  # fmt: skip
def middle_axis_of_an_input(x, ids):
    return tf.gather(x, ids, axis=-2)


@group.function({"x": ([None, 5], "float32"), "ids": ([None, 2], "int32")}, lambda r: [
    {"x": normal(r, len(ids), 5), "ids": np.array(ids, np.int32)} for ids in ([[0, 4]], [[1, 1], [4, 0]], [[5, 0]], [[0, -1]])
], exact=True)  # fmt: skip
def each_rows_own_columns(x, ids):
    return tf.gather(x, ids, batch_dims=1, axis=1)


@group.function({"x": ([None, 5], "float32"), "ids": ([None, 2, 1], "int32")}, lambda r: [
    {"x": normal(r, len(ids), 5), "ids": np.array(ids, np.int32)} for ids in ([[[0], [4]]], [[[5], [0]]], [[[-1], [0]]])
], exact=True)  # fmt: skip
def points_of_each_row(x, ids):
    return tf.gather_nd(x, ids, batch_dims=1)


@group.function(
    {"ids": ([None, 2], "int32")}, _ids([[0, 0], [6, 2]], [[7, 0]], [[0, 3]], [[0, -1]]), weights=TABLE, exact=True
)
def points_of_a_table(ids, table):
    return tf.gather_nd(table, ids)


@group.function(IDS, _ids([0, 3, 1], [4], [-1, 2], []), exact=True)
def one_hot_of_float(ids):
    return {
        "plain": tf.one_hot(ids, 4),
        "values": tf.one_hot(ids, 4, on_value=5.0, off_value=-1.0),
        "columns": tf.one_hot(ids, 4, axis=0),
        "flags": tf.one_hot(ids, 4, on_value=True, off_value=False),
    }


@group.function(
    {"ids": ([None], "int32"), "depth": ([], "int32")},
    [{"ids": i32(0, 2), "depth": np.int32(d)} for d in (3, 1, 0, -1)],
    exact=True,
)
def one_hot_of_given_depth(ids, depth):
    return tf.one_hot(ids, depth)


PLACES = {"ids": ([None, 1], "int32"), "x": ([None], "float32")}
PLACED = [
    {"ids": np.array(ids, np.int32).reshape(-1, 1), "x": f32(*range(1, len(ids) + 1))}
    for ids in ([0, 2, 4], [1, 1, 1], [], [5], [-1, 0])
]


@group.function(PLACES, PLACED)
def scattered_into_zeros(ids, x):
    return tf.scatter_nd(ids, x, [5])


@group.function(PLACES, PLACED)
def scattered_into_a_tensor_adding(ids, x):
    base = f32(9, 8, 7, 6, 5)
    return {"add": tf.tensor_scatter_nd_add(base, ids, x), "sub": tf.tensor_scatter_nd_sub(base, ids, x)}


@group.function(PLACES, PLACED)
def scattered_into_a_tensor(ids, x):
    base = f32(9, 8, 7, 6, 5)
    return {
        "max": tf.tensor_scatter_nd_max(base, ids, x),
        "min": tf.tensor_scatter_nd_min(base, ids, x),
        "set": tf.tensor_scatter_nd_update(base, ids[:1], x[:1]),
    }


SEGMENTS = {"x": ([None, 2], "float32"), "ids": ([None], "int32")}


@group.function(
    SEGMENTS,
    lambda r: [
        {"x": normal(r, len(ids), 2), "ids": np.array(ids, np.int32)} for ids in ([0, 0, 1, 3], [2], [1, 0], [-1, 0])
    ],
)
def sorted_segments(x, ids):
    return {
        "sum": tf.math.segment_sum(x, ids),
        "mean": tf.math.segment_mean(x, ids),
        "max": tf.math.segment_max(x, ids),
    }


@group.function(
    SEGMENTS,
    lambda r: [
        {"x": normal(r, len(ids), 2), "ids": np.array(ids, np.int32)} for ids in ([2, 0, 2, 1], [0, -1], [], [0, 3])
    ],
)
def unsorted_segments(x, ids):
    return {
        "max": tf.math.unsorted_segment_max(x, ids, 3),
        "mean": tf.math.unsorted_segment_mean(x, ids, 3),
        "prod": tf.math.unsorted_segment_prod(x, ids, 3),
    }


@group.function({"ids": ([None], "int32"), "rows": ([None], "int32")}, [
    {"ids": i32(0, 6, 2), "rows": i32(0, 0, 1)}, {"ids": i32(7), "rows": i32(0)}, {"ids": i32(1, 1), "rows": i32(0, 2)},
], weights=TABLE)  # fmt: skip
def sparse_segments(ids, rows, table):
    return {"sum": tf.sparse.segment_sum(table, ids, rows), "root": tf.sparse.segment_sqrt_n(table, ids, rows)}


BOUNDS = {"x": ([None, 8], "float32"), "begin": ([], "int32"), "end": ([], "int32")}


@group.function(BOUNDS, lambda r: [
    {"x": normal(r, 2, 8), "begin": np.int32(b), "end": np.int32(e)} for b, e in ((0, 8), (2, 5), (5, 2), (-3, 8), (0, -1), (3, 99), (-99, 2))
], exact=True)  # fmt: skip
def slices_of_given_bounds(x, begin, end):
    return {"plain": x[:, begin:end], "steps": x[:, begin:end:2], "back": x[:, end:begin:-1]}


@group.function(BOUNDS, lambda r: [
    {"x": normal(r, 2, 8), "begin": np.int32(b), "end": np.int32(e)} for b, e in ((0, 8), (2, -1), (8, 0), (9, 0), (4, 5), (-1, 2))
], exact=True)  # fmt: skip
def slice_of_given_size(x, begin, end):
    return tf.slice(x, [0, begin], [-1, end])


@group.function({"x": ([None, 4], "float32"), "row": ([], "int32")}, lambda r: [
    {"x": normal(r, 3, 4), "row": np.int32(row)} for row in (0, 2, -1, 3, -4)
], exact=True)  # fmt: skip
def one_row_by_number(x, row):
    return {"row": x[row], "column": x[:, row]}


@group.function({"x": ([None, 8], "float32"), "k": ([], "int32")}, lambda r: [
    {"x": normal(r, 3, 8), "k": np.int32(k)} for k in (1, 8, 0, 0, 9, -1)
], exact=True)  # fmt: skip
def best_of_given_number(x, k):
    values, places = tf.math.top_k(x, k)
    return {"values": values, "places": places}


@group.function({"x": ([None, 8], "float32")}, lambda r: [{"x": normal(r, n, 8)} for n in (1, 5, 0)], exact=True)
def best_none_of_eight(x):
    values, places = tf.math.top_k(x, 0)
    return {"values": values, "places": places}


@group.function(
    {"x": ([None, 9], "float32")}, lambda r: [{"x": integers(r, 4, n, 9, dtype="float32")} for n in (1, 4)], exact=True
)
def order_with_ties(x):
    return {
        "up": tf.argsort(x, stable=True),
        "down": tf.argsort(x, direction="DESCENDING", stable=True),
        "top": tf.math.top_k(x, 9)[1],
    }


@group.function({"x": ([None, 6], "float32"), "label": ([None], "int32")}, lambda r: [
    {"x": normal(r, 3, 6), "label": np.array(labels, np.int32)} for labels in ([0, 5, 2], [6, 0, 0], [-1, 1, 1])
], exact=True)  # fmt: skip
def label_among_the_best(x, label):
    return tf.math.in_top_k(label, x, 2)


@group.function({"x": ([None, 6], "float32"), "label": ([None], "int32")}, lambda r: [
    {"x": normal(r, 2, 6), "label": np.array(labels, np.int32)} for labels in ([0, 5], [6, 0], [-1, 1])
])  # fmt: skip
def loss_of_labels(x, label):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(label, x)


@group.function({"x": ([None], "float32"), "part": ([None], "int32")}, [
    {"x": f32(1, 2, 3, 4), "part": i32(*part)} for part in ([0, 1, 0, 2], [2, 2, 2, 2], [0, 3, 0, 0], [0, -1, 0, 0])
], exact=True)  # fmt: skip
def parted_by_number(x, part):
    first, second, third = tf.dynamic_partition(x, part, 3)
    return {"first": first, "second": second, "third": third}


@group.function({"x": ([None], "float32"), "order": ([None], "int32")}, [
    {"x": f32(1, 2, 3), "order": i32(*order)} for order in ([2, 0, 1], [0, 1, 1], [4, 0, 0], [-1, 0, 1])
], exact=True)  # fmt: skip
def stitched_by_number(x, order):
    return tf.dynamic_stitch([order, i32(3)], [x, f32(99)])


@group.function(
    {"order": ([None], "int32")}, [{"order": i32(*order)} for order in ([2, 0, 1], [0], [0, 0], [3, 1, 0])], exact=True
)
def inverse_of_an_order(order):
    return tf.math.invert_permutation(order)


@group.function(
    {"x": ([None, 3], "float32")},
    lambda r: [{"x": normal(r, n, 3)} for n in (1, 4, 0)] + [{"x": f32([0, 0, 0])}],
    exact=True,
)
def places_of_positive_numbers(x):
    return {"places": tf.cast(tf.where(x > 0), tf.int32), "values": tf.boolean_mask(x, x > 0)}


@group.function(IDS, _ids([3, 1, 3, 2], [5], []), exact=True)
def distinct_numbers(ids):
    values, places, counts = tf.unique_with_counts(ids)
    return {"values": values, "places": places, "counts": counts}


@group.function(IDS, _ids([3, 1, 3, 2], [9], [], [-1]))
def counts_of_numbers(ids):
    return {
        "counts": tf.math.bincount(ids, minlength=4, maxlength=6),
        "flags": tf.math.bincount(ids, minlength=6, maxlength=6, binary_output=True),
    }


@group.function({"x": ([None, 5, 2], "float32"), "size": ([None], "int32")}, lambda r: [
    {"x": normal(r, 3, 5, 2), "size": np.array(size, np.int32)} for size in ([0, 3, 5], [5, 5, 6], [1, 1, 1], [-1, 0, 0])
])  # fmt: skip
def sequences_of_given_sizes(x, size):
    mask = tf.sequence_mask(size, 5, tf.float32)
    return {"reversed": tf.reverse_sequence(x, size, seq_axis=1), "masked": x * mask[:, :, None], "mask": mask}


SPARSE = [
    {"ids": i64(*ids).reshape(-1, 2), "x": f32(*x)}
    for ids, x in (([0, 1, 2, 3], [4, 5]), ([0, 4], [1]), ([-1, 0], [1]), ([], []), ([1, 1, 0, 0], [1, 2]))
]


@group.function({"ids": ([None, 2], "int64"), "x": ([None], "float32")}, SPARSE)
def sparse_made_dense(ids, x):
    return tf.sparse.to_dense(tf.SparseTensor(ids, x, [3, 4]))


@group.function({"ids": ([None, 2], "int64"), "x": ([None], "float32")}, SPARSE[:1] + SPARSE[3:4])
def sparse_operators(ids, x):
    sparse = tf.SparseTensor(ids, x, [3, 4])
    return {"total": tf.sparse.reduce_sum(sparse, 1), "product": tf.sparse.sparse_dense_matmul(sparse, constant(4, 2))}


@group.function({"ids": ([None, None], "int32")}, _ids([[1, 2, 0], [6, 0, 0]], [[0, 0]], [[7]], [[-1]]), weights=TABLE)
def embedding_of_the_filled_places(ids, table):
    filled = tf.cast(ids > 0, tf.float32)[:, :, None]
    return tf.reduce_sum(tf.gather(table, ids) * filled, 1) / tf.maximum(tf.reduce_sum(filled, 1), 1)
