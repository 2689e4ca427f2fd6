"""What is known about each model without building it: names, tensors, sizes, and the paper's figures.

The paper's figures come from its workload table ("When Serverless Computing Meets Different Degrees of Customization
for DNN Inference", Song, Hur, Lee), where a MB is a MiB.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from serverless_dnn.models.errors import UnknownModelError

TEXT_TOKENS = 500
"""Tokens per text in the paper's workload.

Its gRPC size is that of three int32 rows of 500, and its REST size that of 500 mostly one-digit numbers each (padding).
"""

Task = Literal["image-classification", "object-detection", "text-classification"]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: The key in the serving signature.
        dtype: The numpy type's name.
        shape: Dimensions; ``None`` if dynamic.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def request_shape(self) -> tuple[int, ...]:
        """The shape in one benchmark request: batch 1, and 500 tokens where the length is dynamic."""
        return (1, *(TEXT_TOKENS if size is None else size for size in self.shape[1:]))

    def request_bytes(self) -> int:
        """Bytes of the tensor's raw elements in one benchmark request."""
        return math.prod(self.request_shape()) * np.dtype(self.dtype).itemsize


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
        name: Its name in commands and folders.
        title: Display name.
        task: What it does.
        inputs: The serving signature's inputs, in order.
        outputs: Its outputs.
        parameters: Number of parameters, trainable or not.
        flops: Floating-point operations per request, two for each multiply-add of convolutions, dense layers and
            attention; other operations are not counted.
        paper: The paper's figures.
        bf16_tolerance: The largest acceptable output difference when computed in bfloat16.
        workload: Description of one benchmark request.
        preprocess: The function that prepares its input, as ``module:name``; does not need TensorFlow.
        postprocess: The function that interprets its output.
    """

    name: str
    title: str
    task: Task
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parameters: int
    flops: int
    paper: PaperFigures
    bf16_tolerance: float
    workload: str
    preprocess: str
    postprocess: str


def _classifier(name: str, title: str, side: int, parameters: int, flops: int, paper: PaperFigures) -> ModelCard:
    return ModelCard(
        name=name,
        title=title,
        task="image-classification",
        inputs=(TensorSpec("input", "float32", (None, side, side, 3)),),
        outputs=(TensorSpec("predictions", "float32", (None, 1000)),),
        parameters=parameters,
        flops=flops,
        paper=paper,
        bf16_tolerance=0.05,
        workload=f"one photograph, {side}x{side}, scaled to -1..1",
        preprocess="serverless_dnn.models.image_classification:preprocess",
        postprocess="serverless_dnn.models.image_classification:top_k",
    )


_CARDS = (
    _classifier(
        *("mobilenet_v1", "MobileNetV1", 224, 4_253_864, 1_137_480_704),
        PaperFigures(1.15, 18, 0.574, 3.014, 0.0040, 0.0268),
    ),
    _classifier(
        *("inception_v3", "InceptionV3", 299, 23_851_784, 11_426_432_192),
        PaperFigures(11.5, 97, 1.023, 5.524, 0.0040, 0.0265),
    ),
    ModelCard(
        name="yolo_v5s",
        title="YOLOv5s",
        task="object-detection",
        inputs=(TensorSpec("input", "float32", (None, 640, 640, 3)),),
        outputs=(TensorSpec("predictions", "float32", (None, 25_200, 85)),),
        # 7,235,389 trainable, plus two statistics for each of 9,504 normalised channels.
        parameters=7_254_397,
        flops=16_433_561_600,
        paper=PaperFigures(16.5, 28, 4.688, 24.547, 8.172, 63.5932),
        bf16_tolerance=0.05,
        workload="one photograph, letterboxed to 640x640, scaled to 0..1",
        preprocess="serverless_dnn.models.object_detection:letterbox",
        postprocess="serverless_dnn.models.object_detection:detect_objects",
    ),
    ModelCard(
        name="bert_base",
        title="BERT base uncased, sentiment",
        task="text-classification",
        inputs=tuple(TensorSpec(name, "int32", (None, None)) for name in ("input_ids", "input_masks", "segment_ids")),
        outputs=(TensorSpec("score", "float32", (None, 1)),),
        # The encoder's 109,482,240 plus the head's 769.
        parameters=109_483_009,
        # The paper's figure does not match 500 tokens through this network; it corresponds to about 76.
        flops=94_151_837_184,
        paper=PaperFigures(13.39, 428, 0.006, 0.004, 0.0001, 0.0001),
        bf16_tolerance=0.05,
        workload=f"one short text, filled up to {TEXT_TOKENS} tokens",
        preprocess="serverless_dnn.models.text_classification:TextEncoder",
        postprocess="serverless_dnn.models.text_classification:sentiment",
    ),
)

MODELS: Mapping[str, ModelCard] = MappingProxyType({card.name: card for card in _CARDS})
"""All models by name, smallest first."""


def get_model(name: str) -> ModelCard:
    """Look up a model by name.

    Args:
        name: Such as ``mobilenet_v1``.

    Returns:
        The model's card.

    Raises:
        UnknownModelError: There is no such model; the message lists the known ones.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModelError(f"no model is called {name!r}; there are: {', '.join(MODELS)}") from None
