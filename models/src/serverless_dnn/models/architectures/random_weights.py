"""Random weights that keep a network alive: outputs depend on the input, and rounding errors do not grow.

Convolutions are scaled by what their activation lets through (He et al. 2015, arXiv:1502.01852). Batch norms calibrated
on pictures would make so deep a network chaotic: in bfloat16 its outputs have nothing in common with those in float32.
All numbers come from numpy, so a seed means the same weights on every machine.
"""

from typing import Any

import keras
import numpy as np

from serverless_dnn.models.architectures import yolo_v5

# About 1 / E[f(z)^2] for a standard normal z, which keeps the variance from layer to layer; a little less than SiLU's
# 2.8, as YOLOv5's shortcuts add to it.
_RELU_GAIN, _SILU_GAIN = 2.0, 2.4
# The standard deviation with which BERT's training starts (arXiv:1810.04805; initializer_range).
_BERT_DEVIATION = 0.02
# Factors that let the last layers' scores differ between pictures without saturating.
_HEADS = {
    "conv_preds": 4.0,
    "predictions": 2.0,
    **{f"model.24.m.{index}": 1 / 8 for index in range(len(yolo_v5.STRIDES))},
}


def randomize(model: Any, seed: int) -> None:
    """Give every variable of a network a seeded random value.

    Args:
        model: A Keras model of this package.
        seed: Of numpy's generator.
    """
    random = np.random.default_rng(seed)
    for layer in model.layers:
        for variable in layer.variables:
            kind, shape = variable.path.rsplit("/", 1)[-1], tuple(variable.shape)
            if kind in ("kernel", "embeddings"):
                drawn = random.standard_normal(shape, np.float32)
                variable.assign(drawn * np.float32(_deviation(model.name, layer, shape)))
            elif isinstance(layer, keras.layers.BatchNormalization) and kind != "gamma":
                # Not the identity: a server that dropped the statistics must give other outputs.
                low, high = (0.8, 1.2) if kind == "moving_variance" else (-0.1, 0.1)
                variable.assign(random.uniform(low, high, shape))
    if model.name == "yolo_v5s":
        _expect_few_objects(model)


def _deviation(model_name: str, layer: Any, shape: tuple[int, ...]) -> float:
    if model_name.startswith("bert"):
        # The head's score is to differ between texts.
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
