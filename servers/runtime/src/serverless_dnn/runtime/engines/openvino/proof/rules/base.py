"""The type of a rule: how an operator transforms facts about tensors."""

from collections.abc import Callable, Sequence

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.engines.openvino.proof.call import Call
from serverless_dnn.runtime.engines.openvino.proof.facts import Facts

Results = Sequence[Facts]
"""The facts about an operator's outputs."""

Rule = Callable[[Call], Results]
"""Derives facts about outputs from those about inputs; objects to values for which nothing is proven."""

_INTEGERS = frozenset(
    {
        *(tensor_pb2.DT_INT8, tensor_pb2.DT_INT16, tensor_pb2.DT_INT32, tensor_pb2.DT_INT64),
        *(tensor_pb2.DT_UINT8, tensor_pb2.DT_UINT16, tensor_pb2.DT_UINT32),
    }
)


def is_integer(data_type: int) -> bool:
    """Whether a tensor type is an integer type.

    Args:
        data_type: The number of the ``DataType``.
    """
    return data_type in _INTEGERS
