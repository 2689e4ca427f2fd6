"""YOLOv5s, release 6, with box decoding inside the graph.

Layers are named after the published parameters (``model.<stage>.<part>``), so that a published checkpoint maps onto
them by name. Architecture source: models/yolov5s.yaml and models/common.py of github.com/ultralytics/yolov5 v6.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

SIDE = 640
CLASSES = 80
STRIDES = (8, 16, 32)
# Width and height in pixels, three per stride.
ANCHORS = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)


def build() -> Any:
    """Build the network with Keras' initial weights.

    Returns:
        A Keras model from ``input`` (float32, batch x 640 x 640 x 3, RGB in 0..1) to float32 batch x 25200 x 85: for
        each anchor of each cell, the box's centre, width and height as fractions of the image, the objectness, and 80
        class probabilities. Rows run over strides, then cells row by row, then anchors, as in the original's TensorFlow
        export.
    """
    image = keras.Input((SIDE, SIDE, 3), name="input")
    x = _conv(image, "model.0", 32, 6, 2)
    x = _conv(x, "model.1", 64, 3, 2)
    x = _c3(x, "model.2", 64, 1)
    x = _conv(x, "model.3", 128, 3, 2)
    stride_8 = _c3(x, "model.4", 128, 2)
    x = _conv(stride_8, "model.5", 256, 3, 2)
    stride_16 = _c3(x, "model.6", 256, 3)
    x = _conv(stride_16, "model.7", 512, 3, 2)
    x = _c3(x, "model.8", 512, 1)
    x = _sppf(x, "model.9", 512)

    top = _conv(x, "model.10", 256, 1, 1)
    x = layers.Concatenate(name="model.12")([layers.UpSampling2D(2, name="model.11")(top), stride_16])
    x = _c3(x, "model.13", 256, 1, shortcut=False)
    middle = _conv(x, "model.14", 128, 1, 1)
    x = layers.Concatenate(name="model.16")([layers.UpSampling2D(2, name="model.15")(middle), stride_8])
    small = _c3(x, "model.17", 128, 1, shortcut=False)
    x = layers.Concatenate(name="model.19")([_conv(small, "model.18", 128, 3, 2), middle])
    medium = _c3(x, "model.20", 256, 1, shortcut=False)
    x = layers.Concatenate(name="model.22")([_conv(medium, "model.21", 256, 3, 2), top])
    large = _c3(x, "model.23", 512, 1, shortcut=False)

    rows = []
    for index, features in enumerate((small, medium, large)):
        raw = layers.Conv2D(3 * (5 + CLASSES), 1, name=f"model.24.m.{index}")(features)
        rows.append(DecodeBoxes(STRIDES[index], ANCHORS[index], name=f"decode.{index}")(raw))
    return keras.Model(image, layers.Concatenate(axis=1, name="predictions")(rows), name="yolo_v5s")


def objectness_bias(stride: int) -> float:
    """The initial bias for training, which assumes 8 objects in a 640-pixel image.

    Args:
        stride: Width of a cell in pixels.

    Returns:
        The logit.
    """
    return math.log(8 / (SIDE / stride) ** 2)


def _conv(x: Any, name: str, filters: int, kernel: int, stride: int) -> Any:
    if stride > 1:
        # The original pads both sides equally; Keras' "same" would pad only the far side.
        x = layers.ZeroPadding2D((kernel - 1) // 2, name=f"{name}.pad")(x)
    padding = "same" if stride == 1 else "valid"
    x = layers.Conv2D(filters, kernel, stride, padding, use_bias=False, name=f"{name}.conv")(x)
    x = layers.BatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}.bn")(x)
    return layers.Activation("silu", name=f"{name}.act")(x)


def _c3(x: Any, name: str, filters: int, repeats: int, *, shortcut: bool = True) -> Any:
    """A cross-stage-partial block with three convolutions around ``repeats`` bottlenecks."""
    half = filters // 2
    main = _conv(x, f"{name}.cv1", half, 1, 1)
    for index in range(repeats):
        inner = _conv(_conv(main, f"{name}.m.{index}.cv1", half, 1, 1), f"{name}.m.{index}.cv2", half, 3, 1)
        main = layers.Add(name=f"{name}.m.{index}.add")([main, inner]) if shortcut else inner
    joined = layers.Concatenate(name=f"{name}.concat")([main, _conv(x, f"{name}.cv2", half, 1, 1)])
    return _conv(joined, f"{name}.cv3", filters, 1, 1)


def _sppf(x: Any, name: str, filters: int) -> Any:
    """Spatial pyramid pooling: three chained 5x5 pools are equivalent to pools of 5, 9 and 13."""
    pooled = [_conv(x, f"{name}.cv1", filters // 2, 1, 1)]
    for index in range(3):
        pooled.append(layers.MaxPooling2D(5, 1, "same", name=f"{name}.m.{index}")(pooled[-1]))
    return _conv(layers.Concatenate(name=f"{name}.concat")(pooled), f"{name}.cv2", filters, 1, 1)


class DecodeBoxes(layers.Layer):  # type: ignore[misc] # keras ships no types
    """Decodes one stride's raw scores into boxes, objectness and class probabilities."""

    def __init__(self, stride: int, anchors: tuple[tuple[int, int], ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        cells = SIDE // stride
        grid = np.stack(np.meshgrid(np.arange(cells), np.arange(cells)), axis=-1).reshape(1, cells * cells, 1, 2)
        self._cells = cells * cells
        self._rows = self._cells * len(anchors)
        self._anchors_count = len(anchors)
        self._offset = (grid.astype(np.float32) - np.float32(0.5)) / np.float32(cells)
        self._scale = np.float32(2 / cells)
        self._anchors = np.asarray(anchors, np.float32).reshape(1, 1, -1, 2) * np.float32(4 / SIDE)

    def call(self, raw: Any) -> Any:
        """Decode: centre = (2 sigmoid - 0.5 + cell) * stride, size = (2 sigmoid)^2 * anchor, both divided by the side.

        Args:
            raw: batch x cells x cells x (anchors * (5 + classes)).

        Returns:
            batch x (cells * cells * anchors) x (5 + classes).
        """
        scores = ops.sigmoid(ops.reshape(raw, (-1, self._cells, self._anchors_count, 5 + CLASSES)))
        centre = scores[..., :2] * self._scale + self._offset
        size = ops.square(scores[..., 2:4]) * self._anchors
        return ops.reshape(ops.concatenate([centre, size, scores[..., 4:]], axis=-1), (-1, self._rows, 5 + CLASSES))
