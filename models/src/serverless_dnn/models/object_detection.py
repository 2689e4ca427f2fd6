"""Turn photographs into YOLOv5's input, and its boxes into objects; numpy and Pillow only."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# YOLOv5's padding grey (utils/augmentations.py, letterbox).
_GREY = (114, 114, 114)
# Boxes of different classes are moved this far apart, so that a single pass handles each class separately.
_CLASS_OFFSET = 2.0

# The 80 classes of COCO (cocodataset.org), in YOLOv5's order.
COCO_NAMES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip


@dataclass(frozen=True)
class Letterbox:
    """How an image was fitted into a square.

    Attributes:
        scale: Pixels in the square per image pixel.
        left: Grey pixels on the left.
        top: Grey pixels at the top.
        side: The square's side.
    """

    scale: float
    left: int
    top: int
    side: int


@dataclass(frozen=True)
class DetectedObject:
    """An object in an image.

    Attributes:
        name: One of ``COCO_NAMES``.
        score: Objectness times the class score.
        box: Left, top, right, bottom, in image pixels.
    """

    name: str
    score: float
    box: tuple[float, float, float, float]


def letterbox(image: Image.Image, side: int = 640) -> tuple[NDArray[np.float32], Letterbox]:
    """Fit an image into a square, preserving its aspect ratio, and scale it to 0..1.

    Args:
        image: An RGB image.
        side: The square's side in pixels.

    Returns:
        float32 of shape 1 x side x side x 3, and how the image was fitted.
    """
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    square = Image.new("RGB", (side, side), _GREY)
    square.paste(image.resize(size, Image.Resampling.BILINEAR), (left, top))
    return np.asarray(square, np.float32)[np.newaxis] / np.float32(255), Letterbox(scale, left, top, side)


def detect_objects(
    predictions: NDArray[Any],
    fitted: Letterbox,
    *,
    min_score: float = 0.25,
    max_overlap: float = 0.45,
    limit: int = 300,
) -> list[DetectedObject]:
    """Turn the boxes of one image into objects.

    Args:
        predictions: Shape 25200 x 85: x, y, width, height in 0..1, objectness, 80 class scores.
        fitted: How the image was fitted.
        min_score: Minimum score of an object.
        max_overlap: Of two boxes of a class that overlap more (intersection over union), only the better is kept.
        limit: Maximum number of objects.

    Returns:
        The objects, best first.
    """
    likely = predictions[predictions[:, 4] > min_score]
    scores = likely[:, 4:5] * likely[:, 5:]
    classes = scores.argmax(axis=1)
    best = scores[np.arange(len(scores)), classes]
    keep = best > min_score
    boxes, best, classes = _corners(likely[keep, :4]), best[keep], classes[keep]
    chosen = non_maximum_suppression(boxes + classes[:, None] * _CLASS_OFFSET, best, max_overlap)[:limit]
    pixels = boxes[chosen] * fitted.side - np.array([fitted.left, fitted.top] * 2)
    return [
        DetectedObject(COCO_NAMES[classes[index]], float(best[index]), tuple((box / fitted.scale).tolist()))
        for index, box in zip(chosen, pixels, strict=True)
    ]


def non_maximum_suppression(boxes: NDArray[Any], scores: NDArray[Any], max_overlap: float) -> list[int]:
    """Keep the best of overlapping boxes.

    Args:
        boxes: Shape n x 4: left, top, right, bottom.
        scores: Shape n.
        max_overlap: Intersection over union above which the worse box is dropped.

    Returns:
        Indices of the kept boxes, best first.
    """
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while order.size:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        intersection = np.prod(np.clip(high - low, 0, None), axis=1)
        union = areas[first] + areas[rest] - intersection
        order = rest[intersection <= max_overlap * union]
    return kept


def _corners(boxes: NDArray[Any]) -> NDArray[Any]:
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=1)
