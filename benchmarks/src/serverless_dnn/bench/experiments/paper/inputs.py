"""What is sent, where it is not a model's sample; and what does not fit into the platforms' limits."""

from pathlib import Path
from types import MappingProxyType

import numpy as np

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.experiments.paper.options import TEXT
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.models.registry import TEXT_TOKENS, get_model
from serverless_dnn.models.text_classification import hash_words

# As long as the authors' sentence.
_SENTENCE = "this film was far better than anything I had hoped for"
_INPUTS_FOLDER = "inputs"
# Lambda carries binary bodies as base64.
_GROWTH = MappingProxyType({"lambda": 4 / 3})


def authors_input(model: str, folder: Path) -> Path | None:
    """BERT's input as the paper's authors sent it: one sentence of 11 words, padded to 500 tokens, masks all ones.

    Args:
        model: The model.
        folder: A paper's folder, which keeps it.

    Returns:
        The file; ``None`` for a model whose sample is sent.

    Raises:
        OptionError: It cannot be written.
    """
    if model != TEXT:
        return None
    path = folder / _INPUTS_FOLDER / f"{model}.npz"
    arrays = hash_words(_SENTENCE, TEXT_TOKENS)
    arrays["input_masks"] = np.ones_like(arrays["input_masks"])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, allow_pickle=False, **arrays)
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}") from None
    return path


def goes_by_url(model: str, platform: str) -> bool:
    """Whether a model's tensors are too large for a platform, so that pre-signed URLs go in their place.

    Args:
        model: The model.
        platform: The platform, or what else serves the model.
    """
    declared = PLATFORMS.get(platform)
    if declared is None or declared.payload_bytes is None:
        return False
    card = get_model(model)
    most = max(sum(spec.request_bytes() for spec in specs) for specs in (card.inputs, card.outputs))
    return most * _GROWTH.get(platform, 1) > declared.payload_bytes
