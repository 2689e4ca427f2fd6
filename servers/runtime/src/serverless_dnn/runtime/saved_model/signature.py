"""Signatures of a SavedModel, read from ``saved_model.pb`` without TensorFlow.

The file holds the graph as well as the signatures, and a frozen graph holds all weights, so only the few fields we need
are parsed; the rest is skipped by length in a memory map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.dtypes import TensorCodecError, data_type_name, numpy_dtype
from serverless_dnn.protos.tensor import decode_tensor
from serverless_dnn.protos.v1 import saved_model_pb2, signature_pb2
from serverless_dnn.runtime.errors import DataLossError, FailedPreconditionError
from serverless_dnn.runtime.saved_model.meta_graph import open_meta_graph

DEFAULT_SIGNATURE = "serving_default"
PREDICT_METHOD = "tensorflow/serving/predict"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"
_SIGNATURES = 5
# Keras and tf.saved_model add this bookkeeping signature, which nobody calls.
_INTERNAL_SIGNATURES = frozenset({"__saved_model_init_op", "__saved_model_train_op"})


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a signature.

    Attributes:
        name: The name a caller uses.
        data_type: Its ``DataType`` number.
        shape: Sizes, ``None`` where free; ``None`` as a whole if the rank is unknown.
        graph_name: The tensor's name in the graph; empty for sparse and composite tensors.
    """

    name: str
    data_type: int
    shape: tuple[int | None, ...] | None
    graph_name: str = ""

    @property
    def type_name(self) -> str:
        """The tensor type's name, for example ``DT_FLOAT``."""
        return data_type_name(self.data_type)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The numpy type.

        Raises:
            TensorCodecError: The type has no numpy equivalent.
        """
        return numpy_dtype(self.data_type)

    def accepts(self, shape: Sequence[int]) -> bool:
        """Whether a shape matches.

        Args:
            shape: The sizes of a tensor.

        Returns:
            True if the ranks and all sizes that are not free are equal.
        """
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            want is None or want == got for want, got in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class Signature:
    """A model function that callers can invoke.

    Attributes:
        name: For example ``serving_default``.
        method_name: For example ``tensorflow/serving/predict``.
        inputs: By the name a caller uses, sorted by name.
        outputs: Likewise.
        definition: The message it was read from.
        defaults: Arrays for inputs that a caller may omit.
    """

    name: str
    method_name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    definition: signature_pb2.SignatureDef = field(repr=False, compare=False)
    defaults: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def supports_arrays(self) -> bool:
        """Whether every input and output is a dense tensor with a numpy equivalent."""
        try:
            return all(spec.graph_name and spec.dtype for spec in (*self.inputs.values(), *self.outputs.values()))
        except TensorCodecError:
            return False


def find_signature(signatures: Mapping[str, Signature], name: str) -> Signature:
    """Look up a signature by name.

    Args:
        signatures: A model's signatures by name.
        name: Empty means ``serving_default``.

    Returns:
        The signature.

    Raises:
        FailedPreconditionError: The model has no such signature.
    """
    try:
        return signatures[name or DEFAULT_SIGNATURE]
    except KeyError:
        raise FailedPreconditionError(
            f'Serving signature key "{name or DEFAULT_SIGNATURE}" not found. '
            f"This model has: {', '.join(signatures) or 'none'}"
        ) from None


def read_signatures(version_folder: Path, tags: Sequence[str] = ("serve",)) -> dict[str, Signature]:
    """Read the signatures of a SavedModel.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        tags: The graph's tags.

    Returns:
        The signatures by name.

    Raises:
        NotFoundError: There is no ``saved_model.pb``, or no graph with these tags.
        DataLossError: The file is not a SavedModel.
    """
    read = saved_model_pb2.MetaGraphDef()
    with open_meta_graph(version_folder, tags) as graph:
        for part in graph.fields:
            # One field at a time, with its key, so that everything in between never enters memory.
            if part.number == _SIGNATURES:
                read.MergeFromString(graph.content[part.begin : part.end])
    try:
        return {
            name: _signature(name, definition)
            for name, definition in sorted(read.signature_def.items())
            if name not in _INTERNAL_SIGNATURES
        }
    except TensorCodecError as error:
        raise DataLossError(f"{version_folder} has a default value that is not a tensor: {error}") from None


def _signature(name: str, definition: signature_pb2.SignatureDef) -> Signature:
    inputs = {alias: _tensor_spec(alias, info) for alias, info in sorted(definition.inputs.items())}
    return Signature(
        name=name,
        method_name=definition.method_name,
        inputs=inputs,
        outputs={alias: _tensor_spec(alias, info) for alias, info in sorted(definition.outputs.items())},
        definition=definition,
        defaults={alias: decode_tensor(definition.defaults[alias]) for alias in inputs if alias in definition.defaults},
    )


def _tensor_spec(alias: str, info: signature_pb2.TensorInfo) -> TensorSpec:
    shape = None
    if not info.tensor_shape.unknown_rank:
        shape = tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
    return TensorSpec(alias, info.dtype, shape, info.name)
