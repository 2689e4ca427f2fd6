"""Weights and activations of few bits, and layers large enough for the kernels that engines keep for large ones."""

import numpy as np

from corpus.registry import Group, tf
from corpus.values import constant, float_cases, normal

group = Group("quantised_and_large")


def _bytes(*shape: int):
    return np.random.default_rng(7).integers(-127, 128, shape).astype(np.int8)


@group.function({"x": ([None, 64], "float32")}, float_cases(64, rows=(1, 3, 40)), atol=1e-4)
def dense_of_byte_weights(x):
    weights = tf.cast(_bytes(64, 48), tf.float32) * (np.abs(constant(48)) / 100)
    return tf.nn.relu(x @ weights)


@group.function({"x": ([None, 64], "float32")}, float_cases(64, rows=(1, 3)), atol=1e-4)
def dense_of_byte_weights_with_zero_points(x):
    return x @ ((tf.cast(_bytes(64, 48), tf.float32) - np.round(constant(48) * 9)) * np.float32(0.01))


@group.function({"x": ([None, 64], "float32")}, float_cases(64, rows=(1, 3)), atol=1e-4)
def dense_of_half_weights(x):
    return tf.nn.softmax(x @ tf.cast(constant(64, 32).astype(np.float16), tf.float32))


@group.function({"x": ([None, 8, 8, 8], "float32")}, float_cases(8, 8, 8, rows=(1, 2)), atol=1e-4)
def convolution_of_byte_weights(x):
    kernel = tf.cast(_bytes(3, 3, 8, 16), tf.float32) * np.float32(0.01)
    return tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + constant(16))


@group.function({"x": ([None, 8, 8, 8], "float32")}, float_cases(8, 8, 8, rows=(1, 2)), atol=1e-3)
def convolution_between_fake_quantisations(x):
    quantise = tf.quantization.fake_quant_with_min_max_vars
    kernel = quantise(constant(3, 3, 8, 16), -1.0, 1.0, narrow_range=True)
    hidden = tf.nn.relu(tf.nn.conv2d(quantise(x, -4.0, 4.0), kernel, 1, "SAME"))
    return tf.nn.conv2d(quantise(hidden, 0.0, 20.0), quantise(constant(1, 1, 16, 4), -2.0, 2.0), 1, "SAME")


@group.function({"x": ([None, 32], "float32")}, float_cases(32, rows=(1, 9)), atol=1e-3)
def dense_between_fake_quantisations(x):
    quantise = tf.quantization.fake_quant_with_min_max_vars
    return quantise(tf.matmul(quantise(x, -3.0, 3.0), quantise(constant(32, 16), -1.0, 1.0)), -30.0, 30.0)


@group.function(
    {"x": ([None, 16, 16, 32], "float32")}, float_cases(16, 16, 32, rows=(1, 4)), atol=1e-3, engine="openvino"
)
def convolutions_of_many_channels(x):
    hidden = tf.nn.relu(tf.nn.conv2d(x, constant(3, 3, 32, 64) / 8, 1, "SAME"))
    return tf.nn.conv2d(hidden, constant(1, 1, 64, 48) / 4, 2, "VALID")


@group.function({"x": ([None, 256], "float32")}, float_cases(256, rows=(1, 17, 300)), atol=1e-3, engine="openvino")
def dense_of_many_units(x):
    return tf.nn.relu(x @ (constant(256, 300) / 8)) @ (constant(300, 10) / 8)


@group.function(
    {"x": ([None, None, 32], "float32")},
    lambda r: [{"x": normal(r, *shape)} for shape in ((1, 130, 32), (2, 64, 32), (3, 1, 32))],
    atol=1e-4,
)
def attention_over_many(x):
    query, key, value = (
        tf.reshape(x @ (constant(32, 32 + n) / 4)[:, :32], [tf.shape(x)[0], -1, 4, 8]) for n in range(3)
    )
    scores = tf.nn.softmax(tf.einsum("bqhd,bkhd->bhqk", query, key) / 8**0.5)
    return tf.einsum("bhqk,bkhd->bqhd", scores, value)
