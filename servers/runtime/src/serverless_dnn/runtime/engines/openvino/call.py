"""One operator of a graph with what is known of its inputs, as the rules of the list see it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serverless_dnn.protos.v1 import graph_pb2
from serverless_dnn.runtime.engines.openvino.facts import Facts, Number, Shape

_OUTPUT_SHAPES = "_output_shapes"
_EXACT_IN_FLOAT32 = 1 << 24
_CHANGES_DIMENSIONS = frozenset(
    {
        *("Reshape", "Transpose", "Slice", "StridedSlice", "Unpack", "Pack", "Split", "SplitV", "GatherV2", "Range"),
        *("Fill", "SpaceToBatchND", "BatchToSpaceND", "SpaceToDepth", "ExpandDims", "Squeeze", "BroadcastTo", "Einsum"),
        *("ResizeBilinear", "ResizeNearestNeighbor", "MatMul", "BatchMatMulV2", "BatchMatMulV3", "OneHot"),
        *("TensorListStack", "TensorListGetItem", "Conv2DBackpropInput", "Conv3DBackpropInputV2", "ResourceGather"),
    }
)


@dataclass(frozen=True)
class Call:
    """An operator, its inputs, and the outputs to be told of.

    Attributes:
        node: The operator.
        inputs: What is known of its inputs, in order, without those that stand for order alone.
        data: Those inputs that are no parameters such as an axis or a shape.
        objections: Why its answers are not proven to be TensorFlow's; what is known is told all the same.
    """

    node: graph_pb2.NodeDef
    inputs: tuple[Facts, ...]
    data: tuple[Facts, ...]
    objections: list[str] = field(default_factory=list)

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of an attribute as Python's own type; a list as a tuple.

        Args:
            name: The attribute.
            default: Stands for an attribute that is left out.
        """
        return attribute_value(self.node.attr, name, default)

    @property
    def varies(self) -> bool:
        """Whether any input depends on the values of the model's inputs."""
        return any(facts.varies for facts in self.inputs)

    def output_shape(self, index: int = 0) -> Shape | None:
        """The sizes that TensorFlow wrote down for an output when the model was saved."""
        if _OUTPUT_SHAPES not in self.node.attr:
            return None
        shapes = self.node.attr[_OUTPUT_SHAPES].list.shape
        if index >= len(shapes) or shapes[index].unknown_rank:
            return None
        return tuple(None if dim.size < 0 else dim.size for dim in shapes[index].dim)

    def result(  # noqa: PLR0913 - each is one thing that is known
        self,
        low: Number = -math.inf,
        high: Number = math.inf,
        *,
        index: int = 0,
        data_type: int | None = None,
        finite: bool | None = None,
        number: bool | None = None,
        exact: bool = False,
        filled: bool | None = None,
    ) -> Facts:
        """What is known of an output.

        Args:
            low: No value is smaller.
            high: No value is larger.
            index: Which output.
            data_type: Its type; by default that of the first input.
            finite: Whether no value is NaN or infinite; by default, if that is so for all inputs.
            number: Whether no value is NaN; by default, if that is so for all inputs.
            exact: Whether its values are TensorFlow's bit for bit, if those of the inputs are.
            filled: Whether it has elements; by default, if all inputs have.
        """
        shape = self.output_shape(index)
        if shape is not None and all(shape):
            filled = True
        elif filled is None:
            filled = all(facts.filled for facts in self.data)
        finite = all(facts.finite for facts in self.data) if finite is None else finite
        return Facts(
            self.data[0].data_type if data_type is None else data_type,
            shape,
            low,
            high,
            finite,
            finite or (all(facts.number for facts in self.data) if number is None else number),
            self.varies,
            exact and all(facts.exact for facts in self.data),
            filled,
            self._smallest(),
            operator=self.node.op,
            inputs=self.inputs,
        )

    def _smallest(self) -> int:
        """Dimensions that are moved or made anew may be of any size."""
        if self.node.op in _CHANGES_DIMENSIONS:
            return 1
        return min((facts.smallest for facts in self.data if facts.shape is None or None in facts.shape[1:]), default=1)

    def check_exact_integers(self, facts: Sequence[Facts]) -> None:
        """Check that integers which inputs decide stay where float32, in which OpenVINO may compute them, is exact.

        Args:
            facts: Inputs and outputs of the operator.

        """
        if any(
            fact.varies and not (fact.low >= -_EXACT_IN_FLOAT32 and fact.high <= _EXACT_IN_FLOAT32) for fact in facts
        ):
            self.objections.append("may compute with integers beyond 2^24, which OpenVINO holds as float32")


def attribute_value(attributes: Mapping[str, graph_pb2.AttrValue], name: str, default: Any = None) -> Any:
    """The value of an attribute as Python's own type; a list as a tuple.

    Args:
        attributes: An operator's attributes.
        name: The attribute.
        default: Stands for an attribute that is left out.

    Returns:
        ``bytes``, ``int``, ``float``, ``bool``, a ``DataType`` number, a message, or a tuple of those.
    """
    if name not in attributes:
        return default
    value = attributes[name]
    kind = value.WhichOneof("value")
    if kind is None:
        return default
    if kind != "list":
        return getattr(value, kind)
    listed = value.list.ListFields()
    return tuple(listed[0][1]) if listed else ()
