"""The arrays of one benchmark request: a real photograph or a text, preprocessed for the model."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.models.errors import InputError
from serverless_dnn.models.image_classification import load_photograph, preprocess
from serverless_dnn.models.object_detection import letterbox
from serverless_dnn.models.registry import TEXT_TOKENS, get_model
from serverless_dnn.models.text_classification import hash_words

SAMPLE_TEXT = (
    "I went in expecting very little and came out having seen one of the finest films of the year : the acting is "
    "quiet and precise , the story takes its time , and the last scene stays with you long after the lights go on ."
)
SAMPLE_CREDIT = "Grace Hopper, U.S. Navy portrait, public domain; shipped with matplotlib"


def sample_photograph() -> Path:
    """A real photograph that is already on the machine: matplotlib ships the Navy's portrait of Grace Hopper.

    Returns:
        The file's path; the photograph is a work of the U.S. federal government, in the public domain.

    Raises:
        InputError: matplotlib is not installed.
    """
    # Looked up without importing: matplotlib takes half a second to import.
    spec = find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
        if path.is_file():
            return path
    raise InputError("no sample photograph: install matplotlib, which ships one, or name a file with --photograph")


def make_request(name: str, photograph: Path | None = None, text: str = SAMPLE_TEXT) -> dict[str, NDArray[Any]]:
    """The arrays of one request with batch size 1.

    A text's tokens are hashes of its words: no vocabulary is needed, and only their number is meaningful.

    Args:
        name: The model.
        photograph: The image to send to an image model; ``None`` sends the sample photograph.
        text: The text to send to a text model.

    Returns:
        Arrays by input name.

    Raises:
        UnknownModelError: There is no such model.
        InputError: The image cannot be read.
    """
    card = get_model(name)
    if card.task == "text-classification":
        return dict(hash_words(text, TEXT_TOKENS))
    picture = load_photograph(photograph or sample_photograph())
    spec = card.inputs[0]
    side = spec.request_shape()[1]
    return {
        spec.name: preprocess(picture, side) if card.task == "image-classification" else letterbox(picture, side)[0]
    }


def warmup_request(name: str) -> dict[str, NDArray[Any]]:
    """A server's warm-up arrays, shaped like a request; images are seeded noise, so that no file is needed.

    Args:
        name: The model.

    Returns:
        Arrays by input name.

    Raises:
        UnknownModelError: There is no such model.
    """
    card = get_model(name)
    if card.task == "text-classification":
        return make_request(name)
    random = np.random.default_rng(0)
    return {spec.name: random.random(spec.request_shape(), np.float32) for spec in card.inputs}
