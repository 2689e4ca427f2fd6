"""Build any model in the registry with random, published or user-supplied weights."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from serverless_dnn.models.architectures import yolo_v5
from serverless_dnn.models.architectures.bert import BertConfig, build_classifier
from serverless_dnn.models.architectures.checkpoints import load_bert, load_yolo_v5s, read_safetensors
from serverless_dnn.models.architectures.random_weights import randomize
from serverless_dnn.models.errors import ExportError, WeightsError
from serverless_dnn.models.registry import ModelCard

_APPLICATIONS = {
    "mobilenet_v1": keras.applications.MobileNet,
    "inception_v3": keras.applications.InceptionV3,
}


@dataclass(frozen=True)
class BuiltModel:
    """A network with its weights.

    Attributes:
        model: The Keras model.
        call: Takes the registry's inputs in order and returns its one output.
        notes: What a user must know about the weights.
    """

    model: Any
    call: Callable[..., Any]
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """Number of parameters, trainable or not."""
        return int(self.model.count_params())


def build(card: ModelCard, weights: str, seed: int) -> BuiltModel:
    """Build a model.

    Args:
        card: Which model.
        weights: ``random``, ``imagenet``, or a file: Keras ``.weights.h5`` or ``.keras``, or ``.safetensors`` (for BERT
            also the folder that contains ``model.safetensors`` and ``config.json``).
        seed: Seed of random weights.

    Returns:
        The model.

    Raises:
        WeightsError: The weights cannot be obtained or read, or do not fit; the message says what to do.
        ExportError: Keras runs on a backend other than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"SavedModels need Keras on TensorFlow, not on {keras.backend.backend()}: unset KERAS_BACKEND"
        )
    if weights == "imagenet":
        return _with_imagenet(card)
    path = None if weights == "random" else _weights_file(weights)
    if card.name == "bert_base":
        return _build_bert(card, path, seed)
    model = yolo_v5.build() if card.name == "yolo_v5s" else _APPLICATIONS[card.name](weights=None)
    if path is None:
        randomize(model, seed)
    elif path.suffix != ".safetensors":
        _load_keras_weights(model, path, card)
    elif card.name == "yolo_v5s":
        load_yolo_v5s(model, read_safetensors(path), str(path))
    else:
        raise WeightsError(f"{card.name} takes Keras' .weights.h5 or .keras, got {weights}")
    return BuiltModel(model, lambda picture: model(picture, training=False))


def _weights_file(weights: str) -> Path:
    path = Path(weights)
    # Hugging Face checkpoints are folders.
    if (path / "model.safetensors").is_file():
        return path / "model.safetensors"
    if not path.is_file():
        raise WeightsError(f"--weights takes random, imagenet or a file, and there is no file {weights!r}")
    return path


def _build_bert(card: ModelCard, path: Path | None, seed: int) -> BuiltModel:
    names, notes = [spec.name for spec in card.inputs], []
    from_checkpoint = path is not None and path.suffix == ".safetensors"
    config = BertConfig.read(path.with_name("config.json")) if path is not None and from_checkpoint else BertConfig()
    model = build_classifier(config)
    # The head stays random if the checkpoint has none.
    randomize(model, seed)
    if path is not None and not from_checkpoint:
        _load_keras_weights(model, path, card)
    elif path is not None and not load_bert(model, read_safetensors(path), str(path)):
        notes.append(f"{path} has no sentiment head: the head's weights are random")
    if model.count_params() != card.parameters:
        notes.append(f"this is not BERT base: {model.count_params():,} parameters instead of {card.parameters:,}")
    return BuiltModel(model, lambda *arrays: model(dict(zip(names, arrays, strict=True))), tuple(notes))


def _with_imagenet(card: ModelCard) -> BuiltModel:
    if card.name not in _APPLICATIONS:
        raise WeightsError(f"there are no ImageNet weights for {card.name}: give a .safetensors file, or random")
    try:
        model = _APPLICATIONS[card.name](weights="imagenet")
    except Exception as error:
        raise WeightsError(
            f"cannot download ImageNet weights for {card.name}: {error}. Without a network, download them "
            "elsewhere and pass the file with --weights FILE, or use --weights random"
        ) from error
    return BuiltModel(model, lambda picture: model(picture, training=False))


def _load_keras_weights(model: Any, path: Path, card: ModelCard) -> None:
    try:
        model.load_weights(path)
    # Keras raises whatever its readers raise: HDF5, zip or shape errors.
    except Exception as error:
        raise WeightsError(f"the weights in {path} cannot be read as those of {card.name}: {error}") from error
