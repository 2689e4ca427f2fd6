"""The networks are the published ones: sizes, arithmetic, and equality with independent implementations in numpy."""

import math
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from serverless_dnn.models.architectures import yolo_v5
from serverless_dnn.models.architectures.bert import BertConfig, build_classifier, build_encoder
from serverless_dnn.models.architectures.building import build
from serverless_dnn.models.registry import MODELS, get_model

_TINY = BertConfig(
    vocab_size=50,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=48,
    max_position_embeddings=16,
)


def _sigmoid(x: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("name", "application"),
    [("mobilenet_v1", keras.applications.MobileNet), ("inception_v3", keras.applications.InceptionV3)],
)
def test_classifiers_are_keras_own(name: str, application: Callable, tmp_path: Path) -> None:
    """With the same weights, given as a file, the outputs are equal to the bit."""
    keras.utils.set_random_seed(3)
    original = application(weights=None)
    original.save_weights(tmp_path / "some.weights.h5")
    picture = np.random.default_rng(0).uniform(-1, 1, (2, *get_model(name).inputs[0].shape[1:])).astype(np.float32)

    built = build(get_model(name), str(tmp_path / "some.weights.h5"), seed=0)

    assert built.parameters == get_model(name).parameters == original.count_params()
    np.testing.assert_array_equal(built.call(picture), original(picture, training=False))


def test_yolo_has_the_published_number_of_parameters() -> None:
    model = yolo_v5.build()
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]

    assert trainable == 7_235_389
    # Folding a norm into its convolution turns scale and offset into one bias.
    assert trainable - sum(math.prod(layer.gamma.shape) for layer in norms) == 7_225_885
    assert model.count_params() == get_model("yolo_v5s").parameters


def test_every_stage_of_yolo_has_its_published_size() -> None:
    """The column `params` that the original prints for yolov5s.yaml (its models/yolo.py), stages without any left out."""
    published = {0: 3520, 1: 18560, 2: 18816, 3: 73984, 4: 115712, 5: 295424, 6: 625152, 7: 1180672, 8: 1182720, 9: 656896, 10: 131584, 13: 361984, 14: 33024, 17: 90880, 18: 147712, 20: 296448, 21: 590336, 23: 1182720, 24: 229245}  # fmt: skip
    counted: dict[int, int] = {}
    for layer in yolo_v5.build().layers:
        if layer.name.startswith("model.") and layer.trainable_variables:
            stage = int(layer.name.split(".")[1])
            counted[stage] = counted.get(stage, 0) + sum(math.prod(v.shape) for v in layer.trainable_variables)

    assert counted == published


def test_yolos_decode_is_the_formula() -> None:
    """Against loops over cells and anchors, from the raw outputs of the three detection convolutions."""
    model = yolo_v5.build()
    keras.utils.set_random_seed(0)
    for index in range(3):
        bias = model.get_layer(f"model.24.m.{index}").bias
        bias.assign(np.random.default_rng(index).normal(size=bias.shape))
    raw_model = keras.Model(model.input, [model.get_layer(f"model.24.m.{index}").output for index in range(3)])
    picture = np.random.default_rng(9).random((1, 640, 640, 3), np.float32)
    raws, decoded = [raw.numpy() for raw in raw_model(picture)], model(picture).numpy()[0]

    assert decoded.shape == (25200, 85)
    row = 0
    for raw, stride, anchors in zip(raws, (8, 16, 32), yolo_v5.ANCHORS, strict=True):
        cells = 640 // stride
        assert raw.shape == (1, cells, cells, 255)
        for cell in (0, 1, cells, cells * cells - 1):
            y, x = divmod(cell, cells)
            for anchor in range(3):
                values = _sigmoid(raw[0, y, x, anchor * 85 : (anchor + 1) * 85].astype(np.float64))
                expected = values.copy()
                expected[0] = (values[0] * 2 - 0.5 + x) * stride / 640
                expected[1] = (values[1] * 2 - 0.5 + y) * stride / 640
                expected[2] = (values[2] * 2) ** 2 * anchors[anchor][0] / 640
                expected[3] = (values[3] * 2) ** 2 * anchors[anchor][1] / 640
                np.testing.assert_allclose(decoded[row + cell * 3 + anchor], expected, atol=1e-5)
        row += cells * cells * 3


def test_bert_has_the_published_number_of_parameters() -> None:
    assert build_encoder(BertConfig()).count_params() == 109_482_240
    assert get_model("bert_base").parameters == 109_482_240 + 769


def test_a_bert_of_any_size_is_the_papers(numpy_bert: Callable, as_checkpoint: Callable) -> None:
    keras.utils.set_random_seed(5)
    model = build_encoder(_TINY)
    random = np.random.default_rng(5)
    for variable in model.variables:
        variable.assign(random.normal(scale=0.3, size=variable.shape))
    ids, segments = random.integers(0, 50, (3, 9)), random.integers(0, 2, (3, 9))
    masks = (np.arange(9) < np.array([[9], [5], [1]])).astype(np.int32)

    encoded = model({"input_ids": ids, "input_masks": masks, "segment_ids": segments})["sequence"].numpy()

    expected = numpy_bert(
        _TINY, {n: w.astype(np.float64) for n, w in as_checkpoint(model).items()}, ids, masks, segments
    )
    np.testing.assert_allclose(encoded, expected, atol=1e-4)


def test_masks_really_mask() -> None:
    keras.utils.set_random_seed(5)
    model = build_classifier(_TINY)
    ids = np.array([[1, 2, 3, 4, 5, 6]], np.int32)
    masks = np.array([[1, 1, 1, 0, 0, 0]], np.int32)
    other = ids.copy()
    other[0, 3:] = 7

    def score(ids: NDArray, masks: NDArray) -> float:
        return float(model({"input_ids": ids, "input_masks": masks, "segment_ids": np.zeros_like(ids)})[0, 0])

    assert score(ids, masks) == score(other, masks) == pytest.approx(score(ids[:, :3], masks[:, :3]), abs=1e-6)
    assert score(ids, np.ones_like(ids)) != score(other, np.ones_like(ids))


@pytest.mark.parametrize("name", ["mobilenet_v1", "inception_v3", "yolo_v5s"])
def test_operations_are_counted_from_the_graph(name: str, zoo: Path) -> None:
    card = get_model(name)
    loaded = tf.saved_model.load(str(zoo / name / "1"))
    spec = tf.TensorSpec(card.inputs[0].request_shape(), tf.float32)
    concrete = tf.function(lambda picture: loaded.signatures["serving_default"](input=picture)).get_concrete_function(
        spec
    )
    counted = 0
    for operation in convert_variables_to_constants_v2(concrete).graph.get_operations():
        if operation.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
            kernel = operation.inputs[1].shape
            multiplied = (
                math.prod(kernel[:3])
                if operation.type == "Conv2D"
                else math.prod(kernel[:2])
                if len(kernel) == 4
                else kernel[0]
            )
            counted += 2 * math.prod(operation.outputs[0].shape) * multiplied

    assert counted == card.flops
    assert card.flops / 1e9 == pytest.approx(card.paper.gflops, rel=0.02)


def test_berts_operations_are_its_matrix_products() -> None:
    tokens, width, inner, depth = 500, 768, 3072, 12
    dense = 2 * tokens * (4 * width * width + 2 * width * inner)
    attention = 2 * 2 * tokens * tokens * width

    assert get_model("bert_base").flops == depth * (dense + attention) + 2 * (width * width + width)


@pytest.mark.soak
def test_every_model_of_the_registry_can_be_built() -> None:
    for card in MODELS.values():
        assert build(card, "random", 0).parameters == card.parameters
