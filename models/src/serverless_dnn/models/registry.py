"""What there is to know about each model without building it: names, tensors, sizes, and the paper's figures.

The paper's figures are those of its workload table ("When Serverless Computing Meets Different Degrees of Customization
for DNN Inference", Song, Hur, Lee); a MB there is a MiB.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from serverless_dnn.models.errors import UnknownModelError

Task = Literal["image-classification", "object-detection", "text-classification"]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: The key in the serving signature.
        dtype: The numpy type's name.
        shape: Sizes; ``None`` where free.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def request_bytes(self, free: int = 1) -> int:
        """Bytes of the tensor in one request.

        Args:
            free: The size taken for every free dimension but the first, which is 1.

        Returns:
            The size of its raw elements.
        """
        sizes = [1 if index == 0 else free if size is None else size for index, size in enumerate(self.shape)]
        return math.prod(sizes) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class PaperFigures:
    """A row of the paper's workload table; sizes in MiB, one request of batch 1."""

    gflops: float
    model_mib: float
    input_grpc_mib: float
    input_rest_mib: float
    output_grpc_mib: float
    output_rest_mib: float


@dataclass(frozen=True)
class ModelCard:
    """A model.

    Attributes:
        name: What commands and folders call it.
        title: What people call it.
        task: What it does.
        inputs: The serving signature's inputs, in order.
        outputs: Its outputs.
        parameters: Numbers it holds, trainable or not.
        paper: The paper's figures.
        workload: What one benchmark request holds, in words.
    """

    name: str
    title: str
    task: Task
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parameters: int
    paper: PaperFigures
    workload: str


def _classifier(name: str, title: str, side: int, parameters: int, paper: PaperFigures) -> ModelCard:
    return ModelCard(
        name=name,
        title=title,
        task="image-classification",
        inputs=(TensorSpec("input", "float32", (None, side, side, 3)),),
        outputs=(TensorSpec("predictions", "float32", (None, 1000)),),
        parameters=parameters,
        paper=paper,
        workload=f"one photograph, {side}x{side}, scaled to -1..1",
    )


_CARDS = (
    _classifier("mobilenet_v1", "MobileNetV1", 224, 4_253_864, PaperFigures(1.15, 18, 0.574, 3.014, 0.0040, 0.0268)),
    _classifier("inception_v3", "InceptionV3", 299, 23_851_784, PaperFigures(11.5, 97, 1.023, 5.524, 0.0040, 0.0265)),
)

MODELS: Mapping[str, ModelCard] = MappingProxyType({card.name: card for card in _CARDS})
"""All models by name, smallest first."""


def get_model(name: str) -> ModelCard:
    """A model by its name.

    Args:
        name: Such as ``mobilenet_v1``.

    Returns:
        The model's card.

    Raises:
        UnknownModelError: There is none; the message lists those there are.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModelError(f"no model is called {name!r}; there are: {', '.join(MODELS)}") from None
