"""Turn photographs into classifier inputs, and scores into the best classes; numpy and Pillow only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from serverless_dnn.models.errors import InputError

# Anything larger is not a photograph but an attempt to exhaust memory.
MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class ScoredClass:
    """A class and its score.

    Attributes:
        index: The class's index among the 1000 of ImageNet (ILSVRC 2012), in Keras' order.
        score: The probability.
    """

    index: int
    score: float


def load_photograph(path: Path) -> Image.Image:
    """Read an image as upright RGB.

    Args:
        path: An image in any format Pillow reads.

    Returns:
        The image.

    Raises:
        InputError: The file cannot be read, is not an image, or has more than ``MAX_PIXELS``.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{path} has {image.width}x{image.height} pixels, more than the limit of {MAX_PIXELS} in total"
                )
            # Cameras store an image as the sensor saw it, with a note on how to rotate it.
            return ImageOps.exif_transpose(image).convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is not a picture that can be read: {error}") from None


def preprocess(image: Image.Image, side: int) -> NDArray[np.float32]:
    """Centre-crop an image to a square, resize it and scale it to -1..1, as in MobileNet's and Inception's training.

    Args:
        image: An RGB image.
        side: The square's side in pixels: 224 for MobileNetV1, 299 for InceptionV3.

    Returns:
        float32 of shape 1 x side x side x 3.
    """
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    square = image.crop((left, top, left + edge, top + edge)).resize((side, side), Image.Resampling.BILINEAR)
    return (np.asarray(square, np.float32) / np.float32(127.5) - np.float32(1))[np.newaxis]


def top_k(scores: NDArray[Any], k: int = 5) -> list[list[ScoredClass]]:
    """The best classes of each image.

    Args:
        scores: Shape batch x classes.
        k: How many.

    Returns:
        For each image, its best classes, best first.
    """
    best = np.argpartition(scores, -k, axis=1)[:, -k:]
    order = np.argsort(np.take_along_axis(scores, best, 1), axis=1)[:, ::-1]
    best = np.take_along_axis(best, order, 1)
    return [
        [ScoredClass(int(index), float(row[index])) for index in picks] for row, picks in zip(scores, best, strict=True)
    ]
