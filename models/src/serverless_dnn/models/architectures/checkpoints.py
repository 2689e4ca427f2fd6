"""Load published checkpoints (``.safetensors``) into the networks built here, accounting for every tensor."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from serverless_dnn.models.architectures import yolo_v5
from serverless_dnn.models.errors import WeightsError

Tensors = Mapping[str, NDArray[Any]]
# Indices and counters, which are not weights; anchors, which are compared separately.
_NOT_WEIGHTS = ("embeddings.position_ids", "num_batches_tracked", "model.24.anchors", "model.24.anchor_grid")


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read a checkpoint.

    Args:
        path: A ``.safetensors`` file.

    Returns:
        float32 arrays by name.

    Raises:
        WeightsError: The file cannot be read.
    """
    try:
        return {name: np.asarray(array, np.float32) for name, array in load_file(path).items()}
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise WeightsError(f"{path} is not a .safetensors file that can be read: {error}") from None


def load_bert(model: Any, tensors: Tensors, origin: str) -> bool:
    """Load a Hugging Face checkpoint into a network of the same size.

    Args:
        model: The network.
        tensors: The checkpoint; a ``bert.`` prefix is stripped, and legacy norm names are accepted.
        origin: Named in errors.

    Returns:
        Whether the checkpoint has a sentiment head; if not, the network's own head is left unchanged.

    Raises:
        WeightsError: A tensor is missing, unexpected, or has the wrong shape.
    """
    renamed = {}
    for name, array in tensors.items():
        plain = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
        renamed[plain.replace("LayerNorm.beta", "LayerNorm.bias")] = array
    head = {name: renamed.pop(name) for name in ("classifier.weight", "classifier.bias") if name in renamed}
    # The heads of the pre-training tasks are not part of the encoder.
    renamed = {name: array for name, array in renamed.items() if not name.startswith("cls.")}
    variables = _bert_variables(model)
    kernel, bias = variables.pop("classifier.weight"), variables.pop("classifier.bias")
    if "pooler.dense.weight" not in renamed and not head:
        variables = {name: variable for name, variable in variables.items() if not name.startswith("pooler.")}
    transposed = {
        name: array.T if array.ndim == 2 and "embeddings" not in name else array for name, array in renamed.items()
    }
    _assign(variables, transposed, origin)
    if not head:
        return False
    weights, offsets = head.get("classifier.weight"), head.get("classifier.bias")
    if weights is None or offsets is None or weights.shape[0] not in (1, 2):
        shapes = {name: list(array.shape) for name, array in head.items()}
        raise WeightsError(f"{origin}: a sentiment head has one label or two, got {shapes}")
    # The softmax over two labels equals the sigmoid of their difference.
    row, offset = (weights[1] - weights[0], offsets[1] - offsets[0]) if len(weights) == 2 else (weights[0], offsets[0])
    _assign({"kernel": kernel, "bias": bias}, {"kernel": row[:, None], "bias": np.array([offset])}, origin)
    return True


def _bert_variables(model: Any) -> dict[str, Any]:
    """A network's variables by their Hugging Face checkpoint names."""
    named: dict[str, Any] = {}
    for layer in model.layers:
        if hasattr(layer, "embeddings"):
            named[f"{layer.name}.weight"] = layer.embeddings
        elif hasattr(layer, "kernel"):
            named |= {f"{layer.name}.weight": layer.kernel, f"{layer.name}.bias": layer.bias}
        elif hasattr(layer, "gamma"):
            named |= {f"{layer.name}.weight": layer.gamma, f"{layer.name}.bias": layer.beta}
    return named


def load_yolo_v5s(model: Any, tensors: Tensors, origin: str) -> None:
    """Load a YOLOv5s checkpoint into the network by its published tensor names.

    Args:
        model: The network.
        tensors: The checkpoint, with batch norms either separate or folded into the convolutions.
        origin: Named in errors.

    Raises:
        WeightsError: A tensor is missing, unexpected, or has the wrong shape, or the anchors differ.
    """
    # Each wrapper around the published network prepends one more "model." to its names.
    plain = {re.sub(r"^(model\.)+", "model.", name): array for name, array in tensors.items()}
    _compare_anchors(plain.get("model.24.anchors"), origin)
    folded = "model.0.conv.bias" in plain
    variables: dict[str, Any] = {}
    for layer in model.layers:
        if layer.name.endswith(".bn"):
            if folded:
                # Reduces the norm to adding the folded bias.
                for variable, value in zip(
                    (layer.gamma, layer.moving_mean), ((1 + layer.epsilon) ** 0.5, 0), strict=True
                ):
                    variable.assign(np.full(variable.shape, value, np.float32))
                layer.moving_variance.assign(np.ones(layer.gamma.shape, np.float32))
                variables[f"{layer.name.removesuffix('bn')}conv.bias"] = layer.beta
                continue
            named = {"weight": layer.gamma, "bias": layer.beta, "running_mean": layer.moving_mean}
            variables |= {f"{layer.name}.{key}": variable for key, variable in named.items()}
            variables[f"{layer.name}.running_var"] = layer.moving_variance
        elif hasattr(layer, "kernel"):
            variables[f"{layer.name}.weight"] = layer.kernel
            if layer.use_bias:
                variables[f"{layer.name}.bias"] = layer.bias
    # Published kernels are output x input x height x width.
    arrays = {name: array.transpose(2, 3, 1, 0) if array.ndim == 4 else array for name, array in plain.items()}
    _assign(variables, arrays, origin)


def _compare_anchors(anchors: NDArray[Any] | None, origin: str) -> None:
    """Reject anchors other than the graph's; checkpoints store them in cells, rounded to half precision."""
    expected = np.array(yolo_v5.ANCHORS, np.float32) / np.array(yolo_v5.STRIDES, np.float32)[:, None, None]
    if anchors is not None and not (anchors.shape == expected.shape and np.allclose(anchors, expected, rtol=2e-3)):
        raise WeightsError(f"{origin} was trained with anchors of its own; only YOLOv5s' published anchors are decoded")


def _assign(variables: Mapping[str, Any], arrays: Tensors, origin: str) -> None:
    weights = {name: array for name, array in arrays.items() if not name.endswith(_NOT_WEIGHTS)}
    missing, extra = sorted(variables.keys() - weights.keys()), sorted(weights.keys() - variables.keys())
    if missing or extra:
        raise WeightsError(
            f"{origin} holds the weights of another architecture: {len(missing)} tensors are missing "
            f"({_some(missing)}), {len(extra)} are unknown ({_some(extra)})"
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != weights[name].shape:
            raise WeightsError(
                f"{origin}: {name} must have the shape {list(variable.shape)}, got {list(weights[name].shape)}"
            )
    for name, variable in variables.items():
        variable.assign(weights[name])


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") or "none"
