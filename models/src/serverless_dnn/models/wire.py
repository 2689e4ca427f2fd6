"""The actual size of one request and its reply in gRPC and REST."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from serverless_dnn.models.registry import ModelCard
from serverless_dnn.models.workload import make_request
from serverless_dnn.protos.tensor import encode_tensor
from serverless_dnn.protos.v1 import predict_pb2

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class WireSizes:
    """The size of one message in bytes.

    Attributes:
        grpc: As a PredictRequest or PredictResponse.
        rest_paper: As the paper's JSON: Python's json module, with Python floats.
        rest: As our JSON: each float32 in its shortest exact form, no whitespace.
    """

    grpc: int
    rest_paper: int
    rest: int


def measure_request(card: ModelCard) -> WireSizes:
    """Encode one benchmark request in every format.

    Args:
        card: The model.

    Returns:
        Its sizes.
    """
    inputs = make_request(card.name)
    message = predict_pb2.PredictRequest(inputs={name: encode_tensor(array) for name, array in inputs.items()})
    message.model_spec.name = card.name
    return _measure(message, "instances", inputs)


def measure_reply(card: ModelCard) -> WireSizes:
    """Encode a reply in every format; its values are seeded random numbers, because JSON's length depends on them.

    Args:
        card: The model.

    Returns:
        Its sizes.
    """
    random = np.random.default_rng(0)
    outputs = {spec.name: random.random(spec.request_shape(), np.float32) for spec in card.outputs}
    message = predict_pb2.PredictResponse(outputs={name: encode_tensor(array) for name, array in outputs.items()})
    message.model_spec.name = card.name
    return _measure(message, "predictions", outputs)


def _measure(message: Any, key: str, arrays: Arrays) -> WireSizes:
    if len(arrays) == 1:
        (array,) = arrays.values()
        plain: Any = array.tolist()
        compact: Any = array
    else:
        plain = [{name: array[0].tolist() for name, array in arrays.items()}]
        compact = [{name: array[0] for name, array in arrays.items()}]
    return WireSizes(
        grpc=message.ByteSize(),
        rest_paper=len(json.dumps({key: plain})),
        rest=len(orjson.dumps({key: compact}, option=orjson.OPT_SERIALIZE_NUMPY)),
    )
