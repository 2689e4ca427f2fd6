"""Turn texts into BERT's inputs, and its score into a sentiment."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.models.errors import InputError

MAX_TOKENS = 512
# In the vocabulary of bert-base-uncased.
_CLS, _SEP, _FIRST_WORD, _VOCABULARY = 101, 102, 1996, 30_522
_NEUTRAL = 0.5


class TextEncoder:
    """WordPiece tokenisation with the ``tokenizers`` library (the ``text`` extra).

    Args:
        vocabulary: A ``vocab.txt`` of word pieces, or a ``tokenizer.json``.

    Raises:
        InputError: ``tokenizers`` is not installed, or the file cannot be read.
    """

    def __init__(self, vocabulary: Path) -> None:
        """Read the vocabulary."""
        try:
            from tokenizers import BertWordPieceTokenizer, Tokenizer
        except ImportError:
            raise InputError("tokenising needs tokenizers: pip install 'serverless-dnn-models[text]'") from None
        try:
            from_json = vocabulary.suffix == ".json"
            self._tokenizer: Any = (
                Tokenizer.from_file(str(vocabulary)) if from_json else BertWordPieceTokenizer(str(vocabulary))
            )
        # The library raises plain Exceptions from Rust.
        except Exception as error:  # noqa: BLE001
            raise InputError(f"{vocabulary} is not a vocabulary that can be read: {error}") from None

    def encode(self, texts: list[str], tokens: int | None = None) -> dict[str, NDArray[np.int32]]:
        """Turn texts into BERT's three inputs.

        Args:
            texts: One or more.
            tokens: Truncate or pad every text to this many tokens; ``None`` pads to the longest, at most 512.

        Returns:
            ``input_ids``, ``input_masks`` and ``segment_ids``, int32, texts x tokens.

        Raises:
            InputError: No text, or a length that BERT does not support.
        """
        if not texts or not 2 <= (tokens or MAX_TOKENS) <= MAX_TOKENS:
            raise InputError(f"expected texts of 2 to {MAX_TOKENS} tokens, got {len(texts)} texts of {tokens} tokens")
        self._tokenizer.enable_truncation(tokens or MAX_TOKENS)
        self._tokenizer.enable_padding(length=tokens)
        encoded = self._tokenizer.encode_batch(texts)
        return {
            "input_ids": np.array([text.ids for text in encoded], np.int32),
            "input_masks": np.array([text.attention_mask for text in encoded], np.int32),
            "segment_ids": np.array([text.type_ids for text in encoded], np.int32),
        }


def hash_words(text: str, tokens: int) -> dict[str, NDArray[np.int32]]:
    """Input of the right shape without a vocabulary: each word's id is a hash of the word, so the ids are meaningless.

    Args:
        text: The text; words that do not fit are dropped.
        tokens: The length, padded if the text is shorter.

    Returns:
        As ``TextEncoder.encode``, for one text.
    """
    span = _VOCABULARY - _FIRST_WORD
    ids = [_CLS, *(_FIRST_WORD + zlib.crc32(word.encode()) % span for word in text.split()[: tokens - 2]), _SEP]
    input_ids, input_masks = np.zeros((2, 1, tokens), np.int32)
    input_ids[0, : len(ids)], input_masks[0, : len(ids)] = ids, 1
    return {"input_ids": input_ids, "input_masks": input_masks, "segment_ids": np.zeros_like(input_ids)}


def sentiment(scores: NDArray[Any]) -> list[str]:
    """Name the sentiment of each score.

    Args:
        scores: Shape texts x 1, 0 to 1.

    Returns:
        ``positive`` or ``negative`` for each.
    """
    return ["positive" if score >= _NEUTRAL else "negative" for score in scores[:, 0]]
