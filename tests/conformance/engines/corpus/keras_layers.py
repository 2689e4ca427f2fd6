"""Keras models of dense, convolving, pooling and normalising layers, written with `model.export()`."""

from collections.abc import Sequence
from typing import Any

from corpus.registry import Group, keras, layers
from corpus.values import float_cases

group = Group("keras_models")
# What keras.activations has: those that most networks use, and the others.
COMMON = {
    "straight": ("relu", "relu6", "elu", "linear"),
    "curved": ("gelu", "silu", "softplus"),
    "squashing": ("sigmoid", "tanh", "softmax"),
}
OTHERS = {
    "around_zero": ("leaky_relu", "selu", "celu", "mish", "hard_silu", "exponential"),
    "bounded": ("softsign", "hard_sigmoid", "hard_tanh", "log_softmax", "log_sigmoid", "squareplus"),
    "with_holes": ("tanh_shrink", "hard_shrink", "soft_shrink", "sparse_plus"),
}


def _sequence(*shape: int | None, of: list[Any]) -> Any:
    return keras.Sequential([layers.Input(shape, name="x"), *of])


def _add_activations(name: str, of: Sequence[str], **options: Any) -> None:
    def make() -> Any:
        x = layers.Input((6,), name="x")
        hidden = layers.Dense(8)(x)
        return keras.Model(x, {each: layers.Dense(3)(layers.Activation(each)(hidden)) for each in of})

    make.__name__ = f"keras_activations_{name}"
    group.keras(float_cases(6, rows=(1, 5, 0)), **options)(make)


for _name, _of in COMMON.items():
    _add_activations(_name, _of, engine="openvino")
for _name, _of in OTHERS.items():
    _add_activations(_name, _of)


@group.keras(float_cases(10), engine="openvino")
def keras_dense_and_normalised():
    return _sequence(10, of=[
        layers.Dense(16, use_bias=False), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.4),
        layers.Dense(8, "tanh"), layers.LayerNormalization(), layers.Dense(1, "sigmoid"),
    ])  # fmt: skip


@group.keras(float_cases(4, 4, 6), engine="openvino")
def keras_normalisations():
    x = layers.Input((4, 4, 6), name="x")
    outputs = {
        "batch": layers.BatchNormalization(axis=1, scale=False)(x),
        "layer": layers.LayerNormalization(axis=[2, 3], epsilon=1e-2)(x),
        "group": layers.GroupNormalization(3)(x),
        "root": layers.RMSNormalization()(x),
    }
    return keras.Model(x, outputs)


@group.keras(float_cases(5))
def keras_unit_norm():
    return _sequence(5, of=[layers.Dense(4), layers.UnitNormalization()])


@group.keras(float_cases(6))
def keras_noise_layers_do_nothing():
    return _sequence(
        6,
        of=[
            layers.GaussianNoise(1.0),
            layers.GaussianDropout(0.5),
            layers.Dense(3),
            layers.ActivityRegularization(0.1),
        ],
    )


@group.keras(float_cases(17, 3))
def keras_conv1d():
    return _sequence(17, 3, of=[
        layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu"),
        layers.SeparableConv1D(6, 3, strides=2, padding="same"), layers.MaxPooling1D(2),
        layers.Conv1DTranspose(2, 3, strides=2), layers.AveragePooling1D(3, padding="same"), layers.GlobalMaxPooling1D(),
    ])  # fmt: skip


@group.keras(float_cases(12, 10, 3, others=[(7, 9, 3)]), atol=1e-4)
def keras_conv2d():
    return _sequence(None, None, 3, of=[
        layers.Conv2D(6, 3, padding="same", activation="silu"), layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.SeparableConv2D(4, 3, strides=2, padding="same"), layers.Conv2D(4, 2, groups=2, dilation_rate=2, padding="same"),
        layers.GlobalAveragePooling2D(keepdims=True), layers.Flatten(),
    ])  # fmt: skip


@group.keras(float_cases(8, 8, 2), atol=1e-4)
def keras_conv2d_transpose():
    return _sequence(8, 8, 2, of=[
        layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="elu"),
        layers.Conv2DTranspose(2, 4, strides=2, padding="valid", output_padding=1), layers.Conv2DTranspose(1, 2, use_bias=False),
    ])  # fmt: skip


@group.keras(float_cases(5, 6, 6, 2), atol=1e-4)
def keras_conv3d():
    return _sequence(5, 6, 6, 2, of=[
        layers.Conv3D(3, (2, 3, 3), padding="same", activation="relu"), layers.MaxPooling3D(2, padding="same"),
        layers.ZeroPadding3D(1), layers.AveragePooling3D((1, 2, 2)), layers.UpSampling3D((1, 2, 2)),
        layers.Cropping3D((1, 0, 1)), layers.GlobalAveragePooling3D(),
    ])  # fmt: skip


@group.keras(float_cases(9, 9, 4))
def keras_pools():
    x = layers.Input((9, 9, 4), name="x")
    outputs = {
        "largest": layers.MaxPooling2D(3, 2, padding="same")(x),
        "mean": layers.AveragePooling2D((2, 3), padding="same")(x),
        "global": layers.GlobalMaxPooling2D()(x),
        "fitted": layers.AdaptiveAveragePooling2D(3)(x) if hasattr(layers, "AdaptiveAveragePooling2D") else x,
    }
    return keras.Model(x, outputs)


@group.keras(float_cases(5, 6, 3), atol=1e-4)
def keras_sizes_changed():
    x = layers.Input((5, 6, 3), name="x")
    outputs = {
        "nearest": layers.UpSampling2D(2)(x),
        "bilinear": layers.UpSampling2D((3, 2), interpolation="bilinear")(x),
        "padded": layers.ZeroPadding2D(((1, 0), (2, 3)))(x),
        "cropped": layers.Cropping2D(((1, 1), (0, 2)))(x),
    }
    return keras.Model(x, outputs)


@group.keras(float_cases(6, 4))
def keras_lines_changed():
    return _sequence(6, 4, of=[
        layers.ZeroPadding1D((2, 1)), layers.UpSampling1D(2), layers.Cropping1D((1, 3)), layers.Permute((2, 1)),
        layers.Reshape((2, -1)), layers.Flatten(), layers.RepeatVector(3),
    ])  # fmt: skip


@group.keras(float_cases(4, 5))
def keras_activation_layers():
    x = layers.Input((4, 5), name="x")
    outputs = {
        "prelu": layers.PReLU(shared_axes=[1])(x),
        "leaky": layers.LeakyReLU(negative_slope=0.2)(x),
        "elu": layers.ELU(alpha=0.5)(x),
        "relu": layers.ReLU(max_value=3, negative_slope=0.1, threshold=0.5)(x),
    }
    return keras.Model(x, outputs)


@group.keras(float_cases(4, 5))
def keras_softmax_axes():
    x = layers.Input((4, 5), name="x")
    return keras.Model(
        x, {"last": layers.Softmax()(x), "first": layers.Softmax(axis=1)(x), "both": layers.Softmax(axis=[1, 2])(x)}
    )


@group.keras(float_cases(8, 8, 4), atol=1e-4, engine="openvino")
def keras_residual_blocks():
    x = layers.Input((8, 8, 4), name="x")
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x))
    y = layers.ReLU()(layers.Add()([x, y]))
    z = layers.Conv2D(4, 1, strides=2)(layers.Concatenate()([y, layers.Subtract()([x, y])]))
    scale = layers.Dense(4, "sigmoid")(layers.Dense(2, "relu")(layers.GlobalAveragePooling2D()(z)))
    return keras.Model(
        x, layers.Dense(3, "softmax")(layers.Flatten()(layers.Multiply()([z, layers.Reshape((1, 1, 4))(scale)])))
    )


@group.keras(float_cases(16, 16, 3, rows=(1, 2, 5)), atol=1e-4, engine="openvino")
def keras_small_image_classifier():
    x = layers.Input((16, 16, 3), name="x")
    y = layers.ReLU(6.0)(
        layers.BatchNormalization()(
            layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(layers.Rescaling(1 / 128, -1)(x))
        )
    )
    for filters, strides in ((8, 1), (16, 2)):
        y = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(y)
        y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
        y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(y)))
    return keras.Model(x, layers.Dense(10, "softmax")(layers.GlobalAveragePooling2D()(y)))
