"""Build any model of the registry, with random, published or given weights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from serverless_dnn.models.architectures import yolo_v5
from serverless_dnn.models.architectures.bert import BertConfig, build_classifier
from serverless_dnn.models.architectures.checkpoints import load_bert, load_yolo_v5s, read_safetensors
from serverless_dnn.models.errors import WeightsError
from serverless_dnn.models.registry import ModelCard

_APPLICATIONS = {
    "mobilenet_v1": keras.applications.MobileNet,
    "inception_v3": keras.applications.InceptionV3,
}
_CALIBRATION_IMAGES = 8


@dataclass(frozen=True)
class BuiltModel:
    """A network with its weights.

    Attributes:
        model: The Keras model.
        call: Takes the registry's inputs in order and returns its one output.
        note: What a user must know of the weights; empty when there is nothing.
    """

    model: Any
    call: Callable[..., Any]
    note: str = ""

    @property
    def parameters(self) -> int:
        """Numbers it holds, trainable or not."""
        return int(self.model.count_params())


def build(card: ModelCard, weights: str, seed: int) -> BuiltModel:
    """Build a model.

    Args:
        card: Which.
        weights: ``random``, ``imagenet``, or a file: ``.weights.h5`` or ``.keras`` of Keras, or ``.safetensors``.
        seed: Of random weights.

    Returns:
        The model.

    Raises:
        WeightsError: The weights cannot be had, read, or do not fit; says what to do.
    """
    keras.utils.set_random_seed(seed)
    if weights == "imagenet":
        return _with_imagenet(card)
    path = None if weights == "random" else Path(weights)
    if path is not None and not path.is_file():
        raise WeightsError(f"--weights takes random, imagenet or a file, and there is no file {weights!r}")
    tensors = read_safetensors(path) if path is not None and path.suffix == ".safetensors" else None
    if card.name == "bert_base":
        from_checkpoint = path is not None and tensors is not None
        config = BertConfig.read(path.parent / "config.json") if path is not None and from_checkpoint else BertConfig()
        classifier = build_classifier(config)
        note = ""
        if tensors is not None and not load_bert(classifier, tensors, weights):
            note = f"{weights} has no sentiment head: the head's weights are random"
        elif path is not None and tensors is None:
            _load_keras_weights(classifier, path, card)
        names = [spec.name for spec in card.inputs]
        return BuiltModel(classifier, lambda *arrays: classifier(dict(zip(names, arrays, strict=True))), note)
    model = yolo_v5.build() if card.name == "yolo_v5s" else _APPLICATIONS[card.name](weights=None)
    if path is None:
        _calibrate(model, card, seed)
        if card.name == "yolo_v5s":
            _expect_few_objects(model)
    elif tensors is None:
        _load_keras_weights(model, path, card)
    elif card.name == "yolo_v5s":
        load_yolo_v5s(model, tensors, weights)
    else:
        raise WeightsError(f"{card.name} takes Keras' .weights.h5 or .keras, got {weights}")
    return BuiltModel(model, lambda picture: model(picture, training=False))


def _with_imagenet(card: ModelCard) -> BuiltModel:
    if card.name not in _APPLICATIONS:
        raise WeightsError(f"there are no ImageNet weights for {card.name}: give a .safetensors file, or random")
    try:
        model = _APPLICATIONS[card.name](weights="imagenet")
    except Exception as error:
        raise WeightsError(
            f"cannot download ImageNet weights for {card.name}: {error}. Without a network, download them "
            "elsewhere and give the file: --weights FILE; or take --weights random"
        ) from error
    return BuiltModel(model, lambda picture: model(picture, training=False))


def _load_keras_weights(model: Any, path: Path, card: ModelCard) -> None:
    try:
        model.load_weights(path)
    # Keras raises whatever its readers raise: of HDF5, of zip files, of shapes.
    except Exception as error:
        raise WeightsError(f"the weights in {path} cannot be read as those of {card.name}: {error}") from error


def _expect_few_objects(model: Any) -> None:
    for index, stride in enumerate(yolo_v5.STRIDES):
        bias = model.get_layer(f"model.24.m.{index}").bias
        values = np.zeros((len(yolo_v5.ANCHORS[index]), 5 + yolo_v5.CLASSES), np.float32)
        values[:, 4] = yolo_v5.objectness_bias(stride)
        bias.assign(values.ravel())


def _calibrate(model: Any, card: ModelCard, seed: int) -> None:
    """Give batch norms the statistics of random pictures.

    With the initial statistics activations shrink layer by layer until every picture gets the same scores, and a
    comparison of outputs would pass whatever a server computes.
    """
    side = card.inputs[0].shape[1]
    coarse = np.random.default_rng(seed).uniform(-1, 1, (_CALIBRATION_IMAGES, 8, 8, 3))
    pictures = keras.ops.image.resize(coarse.astype(np.float32), (side, side), interpolation="bilinear")
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    model(pictures, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
