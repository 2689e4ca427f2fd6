"""Small Keras models of the designs people serve."""

from typing import Any

import numpy as np

from corpus.registry import Group, keras, layers
from corpus.values import f32, float_cases, integers, normal

group = Group("keras_models")


def _separable(x: Any, filters: int, strides: int = 1) -> Any:
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(x))
    return layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(layers.ReLU(6.0)(x)))


@group.keras(float_cases(16, 16, 3, rows=(1, 2, 5)), atol=1e-4, engine="openvino")
def architecture_inverted_bottlenecks():
    x = layers.Input((16, 16, 3), name="x")
    y = layers.Conv2D(8, 3, 2, padding="same")(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
    y = layers.Add()([y, _separable(layers.ReLU(6.0)(layers.Conv2D(16, 1)(y)), 8)])
    y = _separable(layers.Activation("hard_silu")(y), 12, 2)
    gate = layers.Conv2D(12, 1, activation="hard_sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    return keras.Model(x, layers.Dense(5, "softmax")(layers.Flatten()(layers.Multiply()([y, gate]))))


@group.keras(float_cases(16, 16, 3, rows=(1, 2)), atol=1e-4, engine="openvino")
def architecture_densely_connected():
    x = layers.Input((16, 16, 3), name="x")
    y = layers.Conv2D(6, 3, padding="same")(x)
    for _ in range(3):
        new = layers.Conv2D(4, 3, padding="same")(layers.ReLU()(layers.BatchNormalization()(y)))
        y = layers.Concatenate()([y, new])
    return keras.Model(x, layers.GlobalAveragePooling2D()(layers.AveragePooling2D(2)(y)))


@group.keras(float_cases(16, 16, 3, rows=(1, 2)), atol=1e-4, engine="openvino")
def architecture_inception_of_branches():
    x = layers.Input((16, 16, 3), name="x")
    branches = [
        layers.Conv2D(4, 1, activation="relu")(x),
        layers.Conv2D(4, (1, 5), padding="same")(layers.Conv2D(4, (5, 1), padding="same")(x)),
        layers.Conv2D(3, 1)(layers.AveragePooling2D(3, 1, padding="same")(x)),
        layers.MaxPooling2D(3, 1, padding="same")(x),
    ]
    return keras.Model(x, layers.Dense(4)(layers.GlobalMaxPooling2D()(layers.Concatenate()(branches))))


@group.keras(float_cases(16, 16, 3, rows=(1, 2)), atol=1e-4)
def architecture_segmentation():
    x = layers.Input((16, 16, 3), name="x")
    first = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    second = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(first))
    up = layers.Concatenate()([layers.Conv2DTranspose(4, 2, 2)(second), first, layers.UpSampling2D()(second)])
    return keras.Model(x, layers.Conv2D(3, 1, activation="softmax")(up))


@group.keras(float_cases(24, 24, 3, rows=(1, 2)), atol=1e-4)
def architecture_vision_transformer():
    x = layers.Input((24, 24, 3), name="x")
    y = layers.Reshape((9, 16))(layers.Conv2D(16, 8, 8)(x))
    for _ in range(2):
        z = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Add()([y, layers.MultiHeadAttention(4, 4)(z, z)])
        y = layers.Add()([y, layers.Dense(16)(layers.Dense(32, "gelu")(layers.LayerNormalization(epsilon=1e-6)(y)))])
    return keras.Model(x, layers.Dense(6)(y[:, 0]))


@group.keras(float_cases(20, 20, 3, rows=(1, 2)), atol=1e-4)
def architecture_convolutions_like_transformers():
    x = layers.Input((20, 20, 3), name="x")
    y = layers.LayerNormalization(epsilon=1e-6)(layers.Conv2D(8, 4, 4)(x))
    z = layers.LayerNormalization(epsilon=1e-6)(layers.Conv2D(8, 7, padding="same", groups=8)(y))
    y = layers.Add()([y, layers.Dense(8)(layers.Dense(32, "gelu")(z))])
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling2D()(y)))


@group.keras(
    lambda r: [{"x": integers(r, 50, n, 12)} for n in (1, 3)] + [{"x": np.full((1, 12), 50, np.int32)}], atol=1e-4
)
def architecture_text_classifier():
    ids = layers.Input((12,), dtype="int32", name="x")
    x = layers.Embedding(50, 8)(ids)
    widths = [layers.GlobalMaxPooling1D()(layers.Conv1D(4, width, activation="relu")(x)) for width in (2, 3, 5)]
    return keras.Model(ids, layers.Dense(1, "sigmoid")(layers.Concatenate()(widths)))


@group.keras(
    lambda r: [{"user": integers(r, 9, n, 1), "item": integers(r, 9, n, 1), "price": normal(r, n, 1)} for n in (1, 4)]
)
def architecture_recommender():
    user, item = (layers.Input((1,), dtype="int32", name=name) for name in ("user", "item"))
    price = layers.Input((1,), name="price")
    towers = [layers.Flatten()(layers.Embedding(9, 4)(ids)) for ids in (user, item)]
    deep = layers.Dense(8, "relu")(layers.Concatenate()([*towers, price]))
    similar = layers.Dot(1)(towers)
    return keras.Model(
        {"user": user, "item": item, "price": price}, layers.Dense(1, "sigmoid")(layers.Concatenate()([deep, similar]))
    )


@group.keras(float_cases(10, rows=(1, 2, 5, 0)), engine="openvino")
def architecture_autoencoder():
    x = layers.Input((10,), name="x")
    code = layers.Dense(3, "tanh")(layers.Dense(6, "relu")(x))
    back = layers.Dense(10)(layers.Dense(6, "relu")(code))
    return keras.Model(x, {"code": code, "back": back, "error": keras.ops.mean(keras.ops.square(back - x), axis=-1)})


@group.keras(float_cases(20, 2, rows=(1, 2)))
def architecture_temporal_convolutions():
    x = layers.Input((20, 2), name="x")
    y = layers.Conv1D(6, 1)(x)
    for rate in (1, 2, 4):
        gated = layers.Conv1D(6, 2, padding="causal", dilation_rate=rate, activation="tanh")(y)
        gate = layers.Conv1D(6, 2, padding="causal", dilation_rate=rate, activation="sigmoid")(y)
        y = layers.Add()([y, layers.Multiply()([gated, gate])])
    return keras.Model(x, layers.Dense(2)(y[:, -1]))


@group.keras(lambda r: [{"x": normal(r, n, 7, 3), "z": normal(r, n, 5, 3)} for n in (1, 2)])
def architecture_encoder_and_decoder():
    x, z = layers.Input((7, 3), name="x"), layers.Input((5, 3), name="z")
    memory, *state = layers.LSTM(6, return_sequences=True, return_state=True)(x)
    decoded = layers.LSTM(6, return_sequences=True)(z, initial_state=state)
    return keras.Model(
        {"x": x, "z": z}, layers.Dense(3)(layers.Concatenate()([decoded, layers.Attention()([decoded, memory])]))
    )


@group.keras(float_cases(12, rows=(1, 2, 5)), atol=1e-3)
def architecture_of_8_bit_weights():
    model = keras.Sequential([layers.Input((12,), name="x"), layers.Dense(16, "relu"), layers.Dense(4)])
    model(f32([0] * 12))
    model.quantize("int8")
    return model


@group.keras([{"x": np.ones((40, 8), np.float32)}] * 2, random=True, engine="tensorflow")
def architecture_that_drops_out_when_it_serves():
    x = layers.Input((8,), name="x")
    return keras.Model(x, layers.Dropout(0.5)(layers.Dense(8)(x), training=True))
