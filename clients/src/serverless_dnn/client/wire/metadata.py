"""Signatures and versions as plain values, from the messages that describe them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from serverless_dnn.client.errors import StatusCode
from serverless_dnn.client.specs import Signature, TensorSpec, VersionStatus
from serverless_dnn.protos.dtypes import TensorCodecError, data_type_name, numpy_dtype
from serverless_dnn.protos.v1 import model_status_pb2, signature_pb2, tensor_pb2

_UNKNOWN = 2


def signatures_of(definitions: Mapping[str, signature_pb2.SignatureDef]) -> dict[str, Signature]:
    """The signatures of a model.

    Args:
        definitions: Their messages by name.

    Returns:
        The signatures by name.
    """
    return {
        name: Signature(
            name,
            definition.method_name,
            {alias: _spec(alias, info) for alias, info in sorted(definition.inputs.items())},
            {alias: _spec(alias, info) for alias, info in sorted(definition.outputs.items())},
        )
        for name, definition in sorted(definitions.items())
    }


def versions_of(response: model_status_pb2.GetModelStatusResponse) -> list[VersionStatus]:
    """The versions of a model, newest first.

    Args:
        response: The message.
    """
    found = [
        VersionStatus(
            status.version,
            model_status_pb2.ModelVersionStatus.State.Name(status.state),
            StatusCode(status.status.error_code if 0 <= status.status.error_code <= 16 else _UNKNOWN),
            status.status.error_message,
        )
        for status in response.model_version_status
    ]
    return sorted(found, key=lambda status: status.version, reverse=True)


def _spec(alias: str, info: Any) -> TensorSpec:
    shape = None if info.tensor_shape.unknown_rank else tuple(_size(dim.size) for dim in info.tensor_shape.dim)
    return TensorSpec(alias, data_type_name(info.dtype), _dtype(info), shape)


def _size(size: int) -> int | None:
    return None if size < 0 else size


def _dtype(info: Any) -> np.dtype[Any] | None:
    # A tensor without a name is sparse or composite.
    if info.dtype == tensor_pb2.DT_INVALID:
        return None
    try:
        return numpy_dtype(info.dtype)
    except TensorCodecError:
        return None
