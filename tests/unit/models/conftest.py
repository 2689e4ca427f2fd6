"""BERT once more, in numpy."""

import math
from collections.abc import Callable

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from serverless_dnn.models.architectures.bert import BertConfig


def _numpy_bert(
    config: BertConfig, weights: dict[str, NDArray], ids: NDArray, masks: NDArray, segments: NDArray
) -> NDArray:
    """The encoder as the paper writes it, for one text, one head, one token at a time."""

    def dense(x: NDArray, name: str) -> NDArray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: NDArray, name: str) -> NDArray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + config.layer_norm_eps)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    erf = np.vectorize(math.erf)
    texts = []
    for text, mask, segment in zip(ids, masks, segments, strict=True):
        x = (
            weights["embeddings.word_embeddings.weight"][text]
            + weights["embeddings.token_type_embeddings.weight"][segment]
        )
        x = norm(x + weights["embeddings.position_embeddings.weight"][: len(text)], "embeddings.LayerNorm")
        for layer in range(config.num_hidden_layers):
            prefix = f"encoder.layer.{layer}"
            size = config.hidden_size // config.num_attention_heads
            query, key, value = (dense(x, f"{prefix}.attention.self.{part}") for part in ("query", "key", "value"))
            heads = []
            for head in range(config.num_attention_heads):
                part = slice(head * size, (head + 1) * size)
                scores = query[:, part] @ key[:, part].T / math.sqrt(size)
                scores[:, mask == 0] = -np.inf
                shares = np.exp(scores - scores.max(-1, keepdims=True))
                heads.append(shares / shares.sum(-1, keepdims=True) @ value[:, part])
            attended = dense(np.concatenate(heads, -1), f"{prefix}.attention.output.dense")
            x = norm(x + attended, f"{prefix}.attention.output.LayerNorm")
            inner = dense(x, f"{prefix}.intermediate.dense")
            inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
            x = norm(x + dense(inner, f"{prefix}.output.dense"), f"{prefix}.output.LayerNorm")
        texts.append(x)
    return np.stack(texts)


def _as_checkpoint(model: keras.Model) -> dict[str, NDArray]:
    """A network's weights as a Hugging Face checkpoint holds them."""
    weights = {}
    for layer in model.layers:
        if hasattr(layer, "embeddings"):
            weights[f"{layer.name}.weight"] = layer.embeddings.numpy()
        elif hasattr(layer, "kernel"):
            weights |= {f"{layer.name}.weight": layer.kernel.numpy().T, f"{layer.name}.bias": layer.bias.numpy()}
        elif hasattr(layer, "gamma"):
            weights |= {f"{layer.name}.weight": layer.gamma.numpy(), f"{layer.name}.bias": layer.beta.numpy()}
    return weights


@pytest.fixture(scope="session")
def numpy_bert() -> Callable[..., NDArray]:
    """An independent BERT encoder."""
    return _numpy_bert


@pytest.fixture(scope="session")
def as_checkpoint() -> Callable[[keras.Model], dict[str, NDArray]]:
    """Turns a network into a Hugging Face checkpoint."""
    return _as_checkpoint
