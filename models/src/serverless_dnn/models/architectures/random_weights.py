"""Random weights under which outputs depend on the input and rounding errors do not grow.

Convolutions are scaled by the gain of their activation (He et al. 2015, arXiv:1502.01852). Batch norms calibrated on
images would make such a deep network chaotic: its bfloat16 outputs would have nothing in common with its float32 ones.
All numbers come from numpy, so a seed gives the same weights on every machine.
"""

from typing import Any

import keras
import numpy as np

from serverless_dnn.models.architectures import yolo_v5

# About 1 / E[f(z)^2] for a standard normal z, which preserves the variance from layer to layer; a little less than
# SiLU's 2.8, because YOLOv5's shortcuts add to it.
_RELU_GAIN, _SILU_GAIN = 2.0, 2.4
# The standard deviation of BERT's initial weights (arXiv:1810.04805; initializer_range).
_BERT_DEVIATION = 0.02
# Factors that let the last layers' scores differ between images without saturating.
_HEADS = {
    "conv_preds": 4.0,
    "predictions": 2.0,
    **{f"model.24.m.{index}": 1 / 8 for index in range(len(yolo_v5.STRIDES))},
}


def randomize(model: Any, seed: int) -> None:
    """Give every variable of a network a seeded random value.

    Args:
        model: A Keras model from this package.
        seed: Seed of numpy's generator.
    """
    random = np.random.default_rng(seed)
    for layer in model.layers:
        for variable in layer.variables:
            kind, shape = variable.path.rsplit("/", 1)[-1], tuple(variable.shape)
            if kind in ("kernel", "embeddings"):
                drawn = random.standard_normal(shape, np.float32)
                variable.assign(drawn * np.float32(_deviation(model.name, layer, shape)))
            elif isinstance(layer, keras.layers.BatchNormalization) and kind != "gamma":
                # Not the identity, so that a server that dropped the statistics would return different outputs.
                low, high = (0.8, 1.2) if kind == "moving_variance" else (-0.1, 0.1)
                variable.assign(random.uniform(low, high, shape))
    if model.name == "yolo_v5s":
        _expect_few_objects(model)


def _deviation(model_name: str, layer: Any, shape: tuple[int, ...]) -> float:
    if model_name.startswith("bert"):
        # The head's score should differ between texts.
        return 1 / np.sqrt(shape[0]) if layer.name == "classifier" else _BERT_DEVIATION
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
    gain = _SILU_GAIN if model_name == "yolo_v5s" else _RELU_GAIN
    return float(np.sqrt(gain / fan_in) * _HEADS.get(layer.name, 1))


def _expect_few_objects(model: Any) -> None:
    for index, stride in enumerate(yolo_v5.STRIDES):
        values = np.zeros((len(yolo_v5.ANCHORS[index]), 5 + yolo_v5.CLASSES), np.float32)
        values[:, 4] = yolo_v5.objectness_bias(stride)
        model.get_layer(f"model.24.m.{index}").bias.assign(values.ravel())
