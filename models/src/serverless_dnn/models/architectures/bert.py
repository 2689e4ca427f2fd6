"""BERT of any size, with a sentiment score on top (Devlin et al. 2018, arXiv:1810.04805).

Layers are named as in Hugging Face checkpoints (``encoder.layer.0.attention.self.query``), so that such a checkpoint
maps onto them by name.
"""

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import keras
from keras import layers, ops

from serverless_dnn.models.errors import WeightsError

_ACTIVATIONS = {
    "gelu": lambda x: keras.activations.gelu(x, approximate=False),
    "gelu_new": lambda x: keras.activations.gelu(x, approximate=True),
    "relu": keras.activations.relu,
}


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT, named as in ``config.json``; the defaults are those of BERT base uncased."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"

    @classmethod
    def read(cls, path: Path) -> "BertConfig":
        """Read a checkpoint's ``config.json``.

        Args:
            path: The file.

        Returns:
            The sizes; those missing from the file default to BERT base's.

        Raises:
            WeightsError: No such file, not a JSON object, not a BERT, or invalid sizes.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise WeightsError(f"{path} cannot be read as a checkpoint's configuration: {error}") from error
        if not isinstance(content, dict) or content.get("model_type", "bert") != "bert":
            raise WeightsError(f"{path} does not describe a BERT: expected a JSON object of model_type bert")
        config = cls(**{field.name: content[field.name] for field in fields(cls) if field.name in content})
        sizes = [getattr(config, field.name) for field in fields(cls) if field.type is int]
        if not all(type(size) is int and size > 0 for size in sizes) or config.hidden_size % config.num_attention_heads:
            raise WeightsError(
                f"{path}: sizes must be whole and positive, hidden_size a multiple of the heads: {config}"
            )
        if config.hidden_act not in _ACTIVATIONS:
            raise WeightsError(f"{path}: hidden_act must be one of {', '.join(_ACTIVATIONS)}, got {config.hidden_act}")
        return config


def build_encoder(config: BertConfig) -> Any:
    """Build the encoder.

    Args:
        config: Its sizes.

    Returns:
        A Keras model from ``input_ids``, ``input_masks`` (1 = a token, 0 = padding) and ``segment_ids``, int32 of
        batch x length with any length up to ``max_position_embeddings``, to a dict of ``sequence`` (batch x length x
        hidden) and ``pooled`` (batch x hidden).
    """
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in _INPUTS}
    ids, masks, segments = inputs.values()
    width = config.hidden_size
    x = layers.Embedding(config.vocab_size, width, name="embeddings.word_embeddings")(ids)
    x = Positions(config.max_position_embeddings, width, name="embeddings.position_embeddings")(x)
    x = layers.Add(name="embeddings.sum")(
        [x, layers.Embedding(config.type_vocab_size, width, name="embeddings.token_type_embeddings")(segments)]
    )
    x = _norm(config, "embeddings.LayerNorm")(x)
    bias = MaskBias(name="mask_bias")(masks)
    for index in range(config.num_hidden_layers):
        x = _block(config, f"encoder.layer.{index}", x, bias)
    pooled = layers.Dense(width, activation="tanh", name="pooler.dense")(FirstToken(name="first_token")(x))
    return keras.Model(inputs, {"sequence": x, "pooled": pooled}, name="bert")


def build_classifier(config: BertConfig) -> Any:
    """Build the encoder with a single-score head on its pooled output.

    Args:
        config: The encoder's sizes.

    Returns:
        A Keras model from the encoder's inputs to ``score``, float32 batch x 1 in 0..1: the probability of a positive
        sentiment.
    """
    encoder = build_encoder(config)
    score = layers.Dense(1, activation="sigmoid", name="classifier")(encoder.output["pooled"])
    return keras.Model(encoder.input, score, name="bert_classifier")


_INPUTS = ("input_ids", "input_masks", "segment_ids")


def _norm(config: BertConfig, name: str) -> Any:
    return layers.LayerNormalization(epsilon=config.layer_norm_eps, name=name)


def _block(config: BertConfig, name: str, x: Any, bias: Any) -> Any:
    width = config.hidden_size
    query, key, value = (
        layers.Dense(width, name=f"{name}.attention.self.{part}")(x) for part in ("query", "key", "value")
    )
    attended = Attention(config.num_attention_heads, name=f"{name}.attention.self")([query, key, value, bias])
    attended = layers.Dense(width, name=f"{name}.attention.output.dense")(attended)
    x = _norm(config, f"{name}.attention.output.LayerNorm")(layers.Add(name=f"{name}.attention.add")([attended, x]))
    inner = layers.Dense(config.intermediate_size, name=f"{name}.intermediate.dense")(x)
    inner = layers.Activation(_ACTIVATIONS[config.hidden_act], name=f"{name}.intermediate.act")(inner)
    inner = layers.Dense(width, name=f"{name}.output.dense")(inner)
    return _norm(config, f"{name}.output.LayerNorm")(layers.Add(name=f"{name}.add")([inner, x]))


class Positions(layers.Layer):  # type: ignore[misc] # keras ships no types
    """Adds the learned position vectors."""

    def __init__(self, positions: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._shape = (positions, width)

    def build(self, _shape: Any) -> None:
        """Create the table."""
        self.embeddings = self.add_weight(shape=self._shape, initializer="uniform", name="embeddings")

    def call(self, x: Any) -> Any:
        """Add the first ``length`` vectors to ``x``, batch x length x width."""
        return x + self.embeddings[: ops.shape(x)[1]]


class MaskBias(layers.Layer):  # type: ignore[misc] # keras ships no types
    """Turns masks into an additive bias on attention scores: zero for tokens, a large negative value for padding."""

    def call(self, masks: Any) -> Any:
        """Turn batch x length into batch x 1 x 1 x length; finite, so that an all-padding row does not yield NaN."""
        return (1.0 - ops.cast(masks, "float32")[:, None, None, :]) * -1e9


class FirstToken(layers.Layer):  # type: ignore[misc] # keras ships no types
    """The vector of the first token, ``[CLS]``."""

    def call(self, x: Any) -> Any:
        """Slice batch x width from batch x length x width."""
        return x[:, 0]


class Attention(layers.Layer):  # type: ignore[misc] # keras ships no types
    """Multi-head scaled dot-product attention; the projections are separate layers."""

    def __init__(self, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads

    def call(self, inputs: Any) -> Any:
        """Attend.

        Args:
            inputs: Query, key and value, each batch x length x width, and the bias, batch x 1 x 1 x length.

        Returns:
            batch x length x width.
        """
        query, key, value, bias = inputs
        length, width = ops.shape(query)[1], query.shape[-1]
        size = width // self.heads

        def split(x: Any, axes: tuple[int, ...]) -> Any:
            return ops.transpose(ops.reshape(x, (-1, length, self.heads, size)), axes)

        query = split(query * (1 / math.sqrt(size)), (0, 2, 1, 3))
        scores = ops.softmax(ops.matmul(query, split(key, (0, 2, 3, 1))) + bias, axis=-1)
        attended = ops.matmul(scores, split(value, (0, 2, 1, 3)))
        return ops.reshape(ops.transpose(attended, (0, 2, 1, 3)), (-1, length, width))

    def compute_output_shape(self, shapes: Any) -> Any:
        """The query's shape."""
        return shapes[0]
