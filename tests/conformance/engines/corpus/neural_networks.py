"""Convolutions, pools and normalisations, each attribute with an odd and an even size."""

from collections.abc import Callable, Sequence
from typing import Any

from corpus.registry import Group, tf
from corpus.values import constant, f32, float_cases, i32, integers, normal

group = Group("neural_networks")


def _images(
    *shape: int | None, others: Sequence[Sequence[int]] = (), size: Sequence[int] = (), **options: Any
) -> Callable[..., Any]:
    """Enter a function of images; `size` stands for the free sizes of `shape`."""
    cases = float_cases(*(size or shape), others=others)
    return group.function({"x": ([None, *shape], "float32")}, cases, **{"atol": 1e-4, **options})


@_images(None, None, 3, size=(9, 7, 3), others=[(4, 11, 3), (1, 1, 3)], engine="openvino")
def convolutions_same(x):
    kernel = constant(3, 2, 3, 4)
    return {f"by{step}": tf.nn.conv2d(x, kernel, step, "SAME") for step in (1, 2, 3)}


# No image is smaller than the kernel: there TensorFlow answers with memory that nobody wrote.
@_images(None, None, 3, size=(9, 7, 3), others=[(4, 11, 3), (3, 2, 3)])
def convolutions_valid(x):
    return {f"by{step}": tf.nn.conv2d(x, constant(3, 2, 3, 4), step, "VALID") for step in (1, 2)}


@_images(10, 12, 2, engine="openvino")
def convolutions_of_uneven_strides(x):
    return {
        "wide": tf.nn.conv2d(x, constant(1, 5, 2, 3), [1, 3], "SAME"),
        "one": tf.nn.conv2d(x, constant(1, 1, 2, 3), 2, "SAME"),
    }


@_images(13, 10, 2)
def convolutions_dilated(x):
    kernel = constant(3, 3, 2, 3)
    return {
        "same": tf.nn.conv2d(x, kernel, 1, "SAME", dilations=3),
        "uneven": tf.nn.conv2d(x, kernel, 1, "VALID", dilations=[1, 2]),
        "atrous": tf.nn.atrous_conv2d(x, kernel, 2, "VALID"),
    }


@_images(8, 8, 2)
def convolution_with_own_borders(x):
    return tf.nn.conv2d(x, constant(3, 3, 2, 3), [2, 1], [[0, 0], [2, 1], [0, 2], [0, 0]])


@_images(8, 7, 6)
def convolution_in_groups(x):
    return {
        "three": tf.nn.conv2d(x, constant(3, 3, 2, 9), 1, "SAME"),
        "two": tf.nn.conv2d(x, constant(2, 2, 3, 4), 2, "VALID"),
    }


@_images(9, 10, 3)
def convolutions_by_channel(x):
    kernel = constant(3, 3, 3, 2)
    return {
        "same": tf.nn.depthwise_conv2d(x, kernel, [1, 2, 2, 1], "SAME"),
        "valid": tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "VALID"),
        "dilated": tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME", dilations=[2, 2]),
        "separable": tf.nn.separable_conv2d(x, kernel, constant(1, 1, 6, 4), [1, 1, 1, 1], "SAME"),
    }


@_images(5, 6, 3)
def convolutions_transposed(x):
    rows, kernel = tf.shape(x)[0], constant(4, 3, 2, 3)
    return {
        "same": tf.nn.conv2d_transpose(x, kernel, [rows, 10, 12, 2], 2, "SAME"),
        "odd": tf.nn.conv2d_transpose(x, kernel, [rows, 9, 11, 2], 2, "SAME"),
        "valid": tf.nn.conv2d_transpose(x, kernel, [rows, 12, 13, 2], 2, "VALID"),
        "apart": tf.nn.conv2d_transpose(x, constant(2, 2, 2, 3), [rows, 15, 18, 2], 3, "SAME"),
    }


@_images(6, 7, 5, 2)
def convolutions_of_volumes(x):
    kernel = constant(2, 3, 3, 2, 3)
    return {
        "same": tf.nn.conv3d(x, kernel, [1, 2, 2, 1, 1], "SAME"),
        "valid": tf.nn.conv3d(x, kernel, [1, 1, 1, 1, 1], "VALID"),
        "transposed": tf.nn.conv3d_transpose(
            x, constant(3, 3, 3, 4, 2), [tf.shape(x)[0], 12, 14, 10, 4], [1, 2, 2, 2, 1]
        ),
    }


@_images(None, 3, size=(12, 3), others=[(5, 3), (33, 3)])
def convolutions_of_sequences(x):
    kernel = constant(4, 3, 5)
    return {
        "same": tf.nn.conv1d(x, kernel, 2, "SAME"),
        "valid": tf.nn.conv1d(x, kernel, 1, "VALID"),
        "dilated": tf.nn.conv1d(x, constant(2, 3, 5), 1, "SAME", dilations=3),
        "causal": tf.nn.conv1d(tf.pad(x, [[0, 0], [3, 0], [0, 0]]), kernel, 1, "VALID"),
    }


@_images(3, 8, 8, accepted={"ANSWERS": "TensorFlow has no kernel for processors, OpenVINO has"})
def convolution_of_channels_first(x):
    return tf.nn.conv2d(x, constant(3, 3, 3, 4), 1, "SAME", data_format="NCHW")


@_images(8, 8, 3, engine="openvino")
def convolution_bias_and_activation(x):
    hidden = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(x, constant(3, 3, 3, 8), 2, "SAME"), constant(8)))
    return tf.nn.bias_add(tf.nn.conv2d(hidden, constant(1, 1, 8, 4), 1, "VALID"), constant(4))


@_images(None, None, 2, size=(7, 10, 2), others=[(3, 3, 2), (12, 5, 2)])
def largest_of_windows(x):
    return {
        "same": tf.nn.max_pool2d(x, 2, 2, "SAME"),
        "overlapping": tf.nn.max_pool2d(x - 9, 3, 1, "SAME"),
        "valid": tf.nn.max_pool2d(x, [3, 2], [2, 3], "VALID"),
    }


@_images(None, None, 2, size=(7, 10, 2), others=[(3, 3, 2), (12, 5, 2)])
def means_of_windows(x):
    return {
        "same": tf.nn.avg_pool2d(x + 5, 3, 2, "SAME"),
        "wide": tf.nn.avg_pool2d(x, [1, 4], 1, "SAME"),
        "valid": tf.nn.avg_pool2d(x, 3, 3, "VALID"),
    }


@_images(7, 6, 2)
def largest_with_places(x):
    values, places = tf.nn.max_pool_with_argmax(x, 2, 2, "VALID")
    return {"values": values, "places": tf.cast(places, tf.int32)}


@_images(8, 8, 2)
def largest_with_own_borders(x):
    return tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 0], [1, 1], [0, 0]])


@_images(6, 5, 7, 2)
def windows_of_volumes(x):
    return {"largest": tf.nn.max_pool3d(x, 2, 2, "SAME"), "mean": tf.nn.avg_pool3d(x, [3, 2, 3], [2, 1, 2], "SAME")}


@_images(11, 3)
def windows_of_sequences(x):
    return {"largest": tf.nn.max_pool1d(x, 3, 2, "SAME"), "mean": tf.nn.avg_pool1d(x, 4, 3, "VALID")}


@_images(8, 7, 2)
def dilations_and_erosions(x):
    window = constant(3, 2, 2)
    return {
        "dilated": tf.nn.dilation2d(x, window, [1, 2, 1, 1], "VALID", "NHWC", [1, 1, 2, 1]),
        "eroded": tf.nn.erosion2d(x, window, [1, 1, 1, 1], "SAME", "NHWC", [1, 1, 1, 1]),
    }


@_images(4, 5, 8)
def local_response(x):
    return {
        f"radius{radius}": tf.nn.lrn(x, radius, bias=bias, alpha=alpha, beta=beta)
        for radius, bias, alpha, beta in ((1, 1, 1e-2, 0.75), (2, 2, 0.5, 0.5), (5, 1, 1, 0.5))
    }


@_images(5, 5, 4, weights={"scale": (4,), "offset": (4,), "mean": (4,)}, engine="openvino")
def normalised_by_what_was_learned(x, scale, offset, mean):
    variance = tf.abs(mean) + 0.5
    fused = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon=1e-3, is_training=False)[0]
    return {"fused": fused, "plain": tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)}


@_images(5, 5, 4, weights={"scale": (4,), "offset": (4,)}, atol=1e-3)
def normalised_by_the_batch(x, scale, offset):
    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=1e-2, is_training=True)
    return {"y": y, "mean": mean, "variance": variance}


@_images(6, 8)
def normalised_by_the_example(x):
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return {
        "layer": (x - mean) * tf.math.rsqrt(variance + 1e-6),
        "length": tf.nn.l2_normalize(x, -1),
        "all": tf.nn.l2_normalize(x, [1, 2]),
    }


@_images(8, 12, 4)
def space_and_depth(x):
    return {"deeper": tf.nn.space_to_depth(x, 2), "wider": tf.nn.depth_to_space(x, 2)}


@_images(6, 9, 1)
def space_and_batch(x):
    parts = tf.space_to_batch(x, [2, 3], [[0, 0], [0, 0]])
    return {
        "parts": parts,
        "whole": tf.batch_to_space(parts * 2, [2, 3], [[1, 0], [0, 2]]),
        "padded": tf.space_to_batch(x, [2, 2], [[1, 1], [0, 1]]),
    }


@_images(7, 7, 3)
def patches_of_images(x):
    return tf.image.extract_patches(x, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME")


@_images(12, weights={"first": (12, 16), "second": (16, 5)}, engine="openvino")
def two_dense_layers(x, first, second):
    hidden = tf.nn.gelu(tf.matmul(x, first) + 0.1)
    return {"scores": tf.nn.softmax(hidden @ second), "hidden": hidden}


@_images(4, 6, weights={"weights": (5, 6)})
def products_of_matrices(x, weights):
    return {
        "transposed": tf.matmul(x, weights, transpose_b=True),
        "own": tf.matmul(x, x, transpose_a=True),
        "tensordot": tf.tensordot(x, weights, [[2], [1]]),
        "vector": tf.linalg.matvec(x, constant(6)),
    }


@group.function({"x": ([None, 3, 4], "float32"), "z": ([None, 4, 5], "float32")}, lambda r: [
    {"x": normal(r, n, 3, 4), "z": normal(r, m, 4, 5)} for n, m in ((1, 1), (5, 5), (2, 1), (0, 0), (2, 3))
])  # fmt: skip
def products_of_batches(x, z):
    return {"matmul": tf.matmul(x, z), "adjoint": tf.matmul(z, x, transpose_a=True, transpose_b=True)}


@group.function({"x": ([None, 6, 4], "float32"), "size": ([None], "int32")}, lambda r: [
    {"x": normal(r, 2, 6, 4), "size": i32(*size)} for size in ((6, 4), (1, 6), (7, 1))
])  # fmt: skip
def decoded_greedily(x, size):
    decoded, score = tf.nn.ctc_greedy_decoder(tf.transpose(x, [1, 0, 2]), size, merge_repeated=False)
    return {"decoded": tf.sparse.to_dense(decoded[0], default_value=-1), "score": score}


@group.function(
    {"x": ([None, 8], "float32")},
    lambda r: [{"x": normal(r, n, 8) * 3} for n in (1, 4)] + [{"x": f32([-9, 9, 0, 0.5, 1, 5.99, 6, 7])}],
)
def fake_quantisation(x):
    quantise = tf.quantization.fake_quant_with_min_max_vars
    return {
        "byte": quantise(x, 0.0, 6.0),
        "narrow": quantise(x, -1.0, 1.0, num_bits=4, narrow_range=True),
        "args": tf.quantization.fake_quant_with_min_max_args(x, -2.0, 3.0, num_bits=8),
        "channels": tf.quantization.fake_quant_with_min_max_vars_per_channel(
            x, -(constant(8) ** 2) - 1, constant(8) ** 2 + 1
        ),
    }


@group.function({"x": ([None, 6], "float32"), "label": ([None, 6], "float32")}, lambda r: [
    {"x": normal(r, n, 6), "label": integers(r, 2, n, 6, dtype="float32")} for n in (1, 5)
])  # fmt: skip
def losses(x, label):
    return {
        "sigmoid": tf.nn.sigmoid_cross_entropy_with_logits(label, x),
        "softmax": tf.nn.softmax_cross_entropy_with_logits(label, x),
        "half": tf.nn.l2_loss(x - label),
    }
