"""MobileNetV1 and InceptionV3, as Keras ships them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from serverless_dnn.models.errors import WeightsError
from serverless_dnn.models.registry import ModelCard

_APPLICATIONS = {
    "mobilenet_v1": keras.applications.MobileNet,
    "inception_v3": keras.applications.InceptionV3,
}
_CALIBRATION_IMAGES = 8


def build(card: ModelCard, weights: str, seed: int) -> Any:
    """Build a classifier.

    Args:
        card: Which.
        weights: ``random``, ``imagenet``, or a file that Keras reads (``.weights.h5``, ``.keras``).
        seed: Of the random weights.

    Returns:
        The Keras model.

    Raises:
        WeightsError: The weights cannot be had or do not fit; says what to do.
    """
    application = _APPLICATIONS[card.name]
    if weights == "imagenet":
        try:
            return application(weights="imagenet")
        except Exception as error:
            raise WeightsError(
                f"cannot download ImageNet weights for {card.name}: {error}. Without a network, download them "
                "elsewhere and give the file: --weights FILE; or take --weights random"
            ) from error
    keras.utils.set_random_seed(seed)
    model = application(weights=None)
    if weights == "random":
        _calibrate(model, card, seed)
        return model
    if not Path(weights).is_file():
        raise WeightsError(f"--weights takes random, imagenet or a file, and there is no file {weights!r}")
    try:
        model.load_weights(weights)
    except Exception as error:
        raise WeightsError(f"the weights in {weights} cannot be read as those of {card.name}: {error}") from error
    return model


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
