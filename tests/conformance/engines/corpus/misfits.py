"""Sizes that the signature leaves free and the model does not: TensorFlow refuses what does not fit together."""

from corpus.registry import Arrays, Group, Random, tf
from corpus.values import constant, f32, i32, normal

group = Group("misfits")
FREE, IMAGES = {"x": ([None, None], "float32")}, {"x": ([None, None, None, None], "float32")}
PAIR = {"x": ([None, None], "float32"), "z": ([None, None], "float32")}


def _matrices(*shapes: tuple[int, ...]):
    return lambda random: [{"x": normal(random, *shape)} for shape in shapes]


def _pairs(random: Random) -> list[Arrays]:
    shapes = (
        ((2, 3), (2, 3)),
        ((2, 3), (1, 3)),
        ((2, 3), (2, 4)),
        ((2, 3), (3, 2)),
        ((1, 1), (4, 2)),
        ((4, 3), (2, 3)),
        ((2, 1), (2, 3)),
    )
    return [{"x": normal(random, *x), "z": normal(random, *z)} for x, z in shapes]


IMAGES_OF_TWO = _matrices((1, 6, 6, 2), (2, 5, 8, 2), (1, 6, 6, 3), (1, 6, 6, 1), (1, 6, 6, 4))
WIDE_AND_NARROW = _matrices((2, 4), (1, 4), (2, 3), (2, 5), (2, 8), (2, 1))


@group.function(FREE, WIDE_AND_NARROW)
def dense_of_free_width(x):
    return tf.nn.relu(x @ constant(4, 3) + constant(3))


@group.function(FREE, WIDE_AND_NARROW)
def bias_of_free_width(x):
    return tf.nn.bias_add(x, constant(4))


@group.function(FREE, WIDE_AND_NARROW)
def scale_of_free_width(x):
    return x * constant(4) - constant(1, 4)


@group.function(FREE, WIDE_AND_NARROW)
def einsum_of_free_width(x):
    return tf.einsum("bi,io->bo", x, constant(4, 3))


@group.function(FREE, WIDE_AND_NARROW)
def joined_with_a_constant(x):
    return tf.concat([x, constant(1, 4)], 0)


@group.function(FREE, WIDE_AND_NARROW)
def shaped_from_free_width(x):
    return tf.reshape(x, [-1, 4])


@group.function(FREE, WIDE_AND_NARROW)
def split_of_free_width(x):
    return tf.split(x, 2, 1)[0]


@group.function(FREE, WIDE_AND_NARROW)
def split_of_given_sizes(x):
    return tf.split(x, [1, 3], 1)[1]


@group.function(FREE, WIDE_AND_NARROW)
def squeezed_of_free_width(x):
    return tf.squeeze(x, 1)


@group.function(FREE, WIDE_AND_NARROW)
def column_of_free_width(x):
    return {"third": x[:, 2], "last": x[:, -1]}


@group.function(FREE, WIDE_AND_NARROW)
def slice_of_free_width(x):
    return {"cut": tf.slice(x, [0, 1], [-1, 3]), "steps": x[:, 1:4]}


@group.function(FREE, WIDE_AND_NARROW)
def best_of_free_width(x):
    return tf.math.top_k(x, 4)[0]


@group.function(FREE, WIDE_AND_NARROW)
def gather_of_free_width(x):
    return tf.gather(x, [0, 3], axis=1)


@group.function(PAIR, _pairs)
def sum_of_free_sizes(x, z):
    return x + z


@group.function(PAIR, _pairs)
def larger_of_free_sizes(x, z):
    return tf.maximum(x, z)


@group.function(PAIR, _pairs)
def comparison_of_free_sizes(x, z):
    return {"less": x < z, "equal": tf.raw_ops.Equal(x=x, y=z)}


@group.function(PAIR, _pairs)
def choice_of_free_sizes(x, z):
    return tf.where(x > 0, x, z)


@group.function(PAIR, _pairs)
def product_of_free_sizes(x, z):
    return tf.matmul(x, z, transpose_b=True)


@group.function(PAIR, _pairs)
def joined_of_free_sizes(x, z):
    return tf.concat([x, z], 1)


@group.function(PAIR, _pairs)
def stacked_of_free_sizes(x, z):
    return tf.stack([x, z])


@group.function(PAIR, _pairs)
def added_up_of_free_sizes(x, z):
    return tf.add_n([x, z])


@group.function(PAIR, _pairs)
def distance_of_free_sizes(x, z):
    return tf.reduce_sum(tf.math.squared_difference(x, z), 1)


@group.function({"x": ([None, 3], "float32"), "ids": ([None, 2], "int32")}, lambda r: [
    {"x": normal(r, rows, 3), "ids": i32(*[[0, 2]] * others)} for rows, others in ((2, 2), (1, 1), (2, 3), (3, 1), (1, 2))
])  # fmt: skip
def batches_of_different_sizes(x, ids):
    return {"rows": tf.gather(x, ids, batch_dims=1)}


@group.function({"x": ([None, None, None], "float32"), "z": ([None, None, None], "float32")}, lambda r: [
    {"x": normal(r, *x), "z": normal(r, *z)} for x, z in (((2, 3, 4), (2, 4, 5)), ((1, 3, 4), (2, 4, 5)), ((2, 3, 4), (3, 4, 5)), ((2, 3, 4), (2, 3, 5)))
])  # fmt: skip
def products_of_free_batches(x, z):
    return {"matmul": tf.matmul(x, z)}


@group.function(IMAGES, IMAGES_OF_TWO)
def convolution_of_free_channels(x):
    return tf.nn.conv2d(x, constant(3, 3, 2, 4), 1, "SAME")


@group.function(IMAGES, IMAGES_OF_TWO)
def depthwise_of_free_channels(x):
    return tf.nn.depthwise_conv2d(x, constant(3, 3, 2, 1), [1, 1, 1, 1], "SAME")


@group.function(IMAGES, IMAGES_OF_TWO, weights={"scale": (2,), "offset": (2,)})
def batch_norm_of_free_channels(x, scale, offset):
    return tf.compat.v1.nn.fused_batch_norm(x, scale, offset, f32(0, 1), f32(1, 2), is_training=False)[0]


@group.function(IMAGES, _matrices((1, 4, 4, 4), (1, 6, 2, 8), (1, 5, 4, 4), (1, 4, 4, 3)))
def blocks_of_free_sizes(x):
    return tf.nn.space_to_depth(x, 2)


@group.function(IMAGES, _matrices((1, 4, 4, 4), (1, 6, 2, 8), (1, 4, 4, 3), (1, 4, 4, 2)))
def depth_of_free_sizes(x):
    return tf.nn.depth_to_space(x, 2)


@group.function(IMAGES, _matrices((1, 5, 5, 3), (1, 4, 6, 3), (2, 9, 4, 3), (1, 5, 5, 1)))
def skip_connection_of_odd_sizes(x):
    half = tf.nn.avg_pool2d(x, 2, 2, "VALID")
    return tf.image.resize(half, 2 * tf.shape(half)[1:3], "nearest") + x


@group.function({"x": ([None, None, 4], "float32")}, _matrices((2, 6, 4), (1, 8, 4), (2, 5, 4), (2, 9, 4)))
def positions_that_run_out(x):
    return x + tf.constant(constant(8, 4))[: tf.shape(x)[1]]


@group.function({"x": ([None, None, 4], "float32")}, _matrices((2, 6, 4), (1, 1, 4), (2, 5, 4)))
def positions_of_fixed_number(x):
    return x + constant(6, 4)
