"""Keras models of sequences, attention, several inputs, preprocessing and mixed precision."""

from typing import Any

import numpy as np

from corpus.registry import Group, keras, layers
from corpus.values import INF, NAN, f32, float_cases, i32, i64, integers, normal, pixels, spoiled, texts

group = Group("keras_models")


def _sequence(*shape: int | None, of: list[Any], dtype: str = "float32") -> Any:
    return keras.Sequential([layers.Input(shape, name="x", dtype=dtype), *of])


def _id_cases(high: int, size: int, dtype: str = "int32") -> Any:
    def make(random: np.random.Generator) -> list[dict[str, Any]]:
        calls = [{"x": integers(random, high, rows, size, dtype=dtype)} for rows in (1, 2, 5, 0)]
        row = np.zeros((1, size), dtype)
        return [*calls, {"x": row}, {"x": row + np.asarray(high, dtype)}, {"x": row - np.asarray(1, dtype)}]

    return make


@group.keras(_id_cases(20, 7))
def keras_embedding_and_mean():
    return _sequence(7, dtype="int32", of=[layers.Embedding(20, 6), layers.GlobalAveragePooling1D(), layers.Dense(3)])


@group.keras(_id_cases(20, 7, "int64"))
def keras_embedding_of_int64():
    return _sequence(
        None,
        dtype="int64",
        of=[layers.Embedding(20, 6), layers.Conv1D(4, 3, padding="same"), layers.GlobalMaxPooling1D()],
    )


@group.keras(_id_cases(20, 7))
def keras_embedding_with_mask_and_lstm():
    return _sequence(
        7, dtype="int32", of=[layers.Embedding(20, 6, mask_zero=True), layers.LSTM(5), layers.Dense(2, "softmax")]
    )


@group.keras(_id_cases(20, 7))
def keras_embedding_with_mask_and_mean():
    return _sequence(
        7, dtype="int32", of=[layers.Embedding(20, 6, mask_zero=True), layers.GlobalAveragePooling1D(), layers.Dense(2)]
    )


@group.keras(float_cases(6, 4, rows=(1, 2, 5), others=[(1, 4), (9, 4)]))
def keras_simple_rnn():
    return _sequence(
        None,
        4,
        of=[layers.SimpleRNN(5, return_sequences=True, activation="relu"), layers.SimpleRNN(3, go_backwards=True)],
    )


@group.keras(float_cases(6, 4, others=[(1, 4), (9, 4)]))
def keras_lstm():
    return _sequence(
        None, 4, of=[layers.LSTM(5, return_sequences=True), layers.LSTM(3, recurrent_activation="hard_sigmoid")]
    )


@group.keras(float_cases(6, 4))
def keras_lstm_unrolled():
    return _sequence(
        6, 4, of=[layers.LSTM(3, unroll=True, return_sequences=True), layers.TimeDistributed(layers.Dense(2))]
    )


@group.keras(float_cases(6, 4))
def keras_gru():
    return _sequence(
        6,
        4,
        of=[layers.GRU(5, return_sequences=True, go_backwards=True), layers.GRU(3, reset_after=False, use_bias=False)],
    )


@group.keras(float_cases(5, 3))
def keras_states_of_rnn():
    x = layers.Input((5, 3), name="x")
    sequence, hidden, cell = layers.LSTM(4, return_sequences=True, return_state=True)(x)
    again = layers.GRU(4)(sequence, initial_state=hidden)
    return keras.Model(x, {"sequence": sequence, "hidden": hidden, "cell": cell, "again": again})


@group.keras(float_cases(5, 3))
def keras_bidirectional():
    x = layers.Input((5, 3), name="x")
    return keras.Model(x, {
        "concatenated": layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x),
        "summed": layers.Bidirectional(layers.GRU(3), merge_mode="sum")(x),
    })  # fmt: skip


@group.keras(
    lambda r: [{"x": np.where(r.random((n, 5, 1)) < 0.4, 9, normal(r, n, 5, 3)).astype(np.float32)} for n in (1, 4)]
)
def keras_masking():
    return _sequence(5, 3, of=[layers.Masking(9.0), layers.GRU(4, return_sequences=True), layers.LSTM(2)])


@group.keras(float_cases(3, 5, 5, 2, rows=(1, 2)))
def keras_conv_lstm():
    return _sequence(
        3, 5, 5, 2, of=[layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True), layers.ConvLSTM2D(2, 2)]
    )


@group.keras(float_cases(3, 6, 6, 2))
def keras_time_distributed():
    return _sequence(
        3,
        6,
        6,
        2,
        of=[layers.TimeDistributed(layers.Conv2D(3, 3)), layers.TimeDistributed(layers.Flatten()), layers.Dense(2)],
    )


@group.keras(float_cases(6, 8, others=[(3, 8)]), engine="openvino")
def keras_multi_head_attention():
    x = layers.Input((None, 8), name="x")
    return keras.Model(x, layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x)))


@group.keras(float_cases(6, 8))
def keras_causal_attention():
    x = layers.Input((6, 8), name="x")
    grouped = layers.GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)(x, x)
    return keras.Model(
        x, {"causal": layers.MultiHeadAttention(2, 4, value_dim=3)(x, x, use_causal_mask=True), "grouped": grouped}
    )


@group.keras(lambda r: [
    {"query": normal(r, n, 3, 4), "value": normal(r, n, 5, 4), "mask": integers(r, 2, n, 5, dtype="bool")} for n in (1, 4)
] + [{"query": normal(r, 2, 3, 4), "value": spoiled(normal(r, 2, 5, 4), NAN), "mask": np.zeros((2, 5), bool)}])  # fmt: skip
def keras_attentions_with_mask():
    query, value = layers.Input((3, 4), name="query"), layers.Input((5, 4), name="value")
    mask = layers.Input((5,), dtype="bool", name="mask")
    outputs = {
        "dot": layers.Attention(use_scale=True)([query, value], mask=[None, mask]),
        "additive": layers.AdditiveAttention()([query, value], mask=[None, mask]),
    }
    return keras.Model({"query": query, "value": value, "mask": mask}, outputs)


@group.keras(_id_cases(30, 8), atol=1e-4)
def keras_transformer_block():
    ids = layers.Input((8,), dtype="int32", name="x")
    positions = keras.ops.arange(8)
    x = layers.Embedding(30, 8)(ids) + layers.Embedding(8, 8)(positions)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    x = layers.LayerNormalization()(x + layers.Dense(8)(layers.Dense(16, "gelu")(x)))
    return keras.Model(ids, layers.Dense(2, "softmax")(layers.GlobalAveragePooling1D()(x)))


@group.keras(lambda r: [{"numbers": normal(r, n, 4), "ids": integers(r, 9, n, 1, dtype="int64")} for n in (1, 2, 5, 0)] + [
    {"numbers": normal(r, 1, 4), "ids": i64([9])}, {"numbers": f32([0, NAN, 1, INF]), "ids": i64([3])},
])  # fmt: skip
def keras_two_inputs_and_two_outputs():
    numbers, ids = layers.Input((4,), name="numbers"), layers.Input((1,), dtype="int64", name="ids")
    x = layers.Concatenate()([layers.Dense(6, "relu")(numbers), layers.Flatten()(layers.Embedding(9, 3)(ids))])
    return keras.Model(
        {"numbers": numbers, "ids": ids},
        {"score": layers.Dense(1, "sigmoid")(x), "label": layers.Dense(3, "softmax")(x)},
    )


@group.keras(lambda r: [{"a": normal(r, n, 5), "b": normal(r, n, 5)} for n in (1, 3, 0)])
def keras_merges():
    a, b = layers.Input((5,), name="a"), layers.Input((5,), name="b")
    outputs = {
        "largest": layers.Maximum()([a, b]),
        "smallest": layers.Minimum()([a, b]),
        "mean": layers.Average()([a, b]),
        "dot": layers.Dot(1, normalize=True)([a, b]),
    }
    return keras.Model([a, b], outputs)


@group.keras(float_cases(4))
def keras_normalization_of_known_moments():
    return _sequence(4, of=[layers.Normalization(mean=[1, 2, 3, 4], variance=[1, 4, 0, 9]), layers.Dense(2)])


@group.keras(
    lambda r: [{"x": pixels(r, n, 12, 10, 3)} for n in (1, 2, 0)] + [{"x": np.full((1, 12, 10, 3), 255, np.uint8)}],
    atol=1e-3,
    engine="openvino",
)
def keras_image_of_bytes():
    return _sequence(12, 10, 3, dtype="uint8", of=[
        layers.Rescaling(1 / 255), layers.Conv2D(4, 3, strides=2, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(2),
    ])  # fmt: skip


@group.keras(
    lambda r: [{"x": pixels(r, n, h, w, 3)} for n, h, w in ((1, 9, 7), (2, 16, 16), (1, 8, 8), (1, 1, 5))], atol=1e-3
)
def keras_image_resized_and_cropped():
    return _sequence(
        None,
        None,
        3,
        dtype="uint8",
        of=[layers.Resizing(10, 12), layers.CenterCrop(8, 6), layers.Rescaling(1 / 127.5, -1)],
    )


@group.keras(lambda r: [{"x": normal(r, n, 7, 9, 2)} for n in (1, 2)], atol=1e-3)
def keras_resizings():
    x = layers.Input((7, 9, 2), name="x")
    outputs = {
        "nearest": layers.Resizing(5, 4, interpolation="nearest")(x),
        "bicubic": layers.Resizing(14, 11, interpolation="bicubic")(x),
        "cropped": layers.Resizing(4, 8, crop_to_aspect_ratio=True)(x),
        "lanczos": layers.Resizing(10, 10, interpolation="lanczos3")(x),
    }
    return keras.Model(x, outputs)


@group.keras([{"x": f32([-2], [0], [0.5], [1], [9.5], [10])}, {"x": f32([NAN], [INF], [-INF])}])
def keras_discretization():
    return _sequence(1, of=[layers.Discretization([0.0, 1.0, 10.0]), layers.Embedding(4, 2), layers.Flatten()])


@group.keras([{"x": i32([0, 2], [3, 3])}, {"x": i32([4, 0])}, {"x": i32([-1, 0])}])
def keras_category_encodings():
    x = layers.Input((2,), dtype="int32", name="x")
    return keras.Model(
        x, {"hot": layers.CategoryEncoding(4)(x), "count": layers.CategoryEncoding(4, output_mode="count")(x)}
    )


@group.keras(
    [{"x": texts("red", "blue", "").reshape(3, 1)}, {"x": texts("gr\u00fcn", b"\xff").reshape(2, 1)}],
    engine="tensorflow",
)
def keras_string_lookup():
    return _sequence(
        1,
        dtype="string",
        of=[layers.StringLookup(vocabulary=["red", "green", "blue"]), layers.Embedding(4, 2), layers.Flatten()],
    )


@group.keras([{"x": i64([3], [2**40], [-1])}, {"x": i64([0], [7])}], engine="tensorflow")
def keras_integer_lookup():
    return _sequence(1, dtype="int64", of=[layers.IntegerLookup(vocabulary=[3, 7, 2**40], output_mode="one_hot")])


@group.keras([{"x": i64([3], [2**40], [-1])}], engine="tensorflow")
def keras_hashing():
    return _sequence(1, dtype="int64", of=[layers.Hashing(13)])


@group.keras([{"x": texts("a b a", "c", "").reshape(3, 1)}], engine="tensorflow")
def keras_text_vectorization():
    return _sequence(1, dtype="string", of=[layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=4)])


@group.keras([{"x": f32(0, 0.5, 0, 1)}, {"x": f32(0.25, NAN)}])
def keras_spectrogram_of_a_wave():
    x = layers.Input((), name="x")
    return keras.Model(x, keras.ops.sin(x * 6.28) + keras.ops.cumsum(x, axis=0))


def _mixed(policy: str) -> None:
    def make() -> Any:
        return _sequence(
            12,
            of=[
                layers.Dense(24, "relu", dtype=policy),
                layers.Dense(5, dtype=policy),
                layers.Activation("softmax", dtype="float32"),
            ],
        )

    make.__name__ = f"keras_{policy}"
    # Engines may keep what is between two operators in float32, which is nearer the truth than TensorFlow's answer.
    group.keras(float_cases(12, rows=(1, 2, 5)), rtol=6e-2, atol=2e-2)(make)


_mixed("mixed_bfloat16")
_mixed("mixed_float16")
