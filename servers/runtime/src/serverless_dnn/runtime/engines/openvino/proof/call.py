"""One operator of a graph with what is known of its inputs, as seen by the rules."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.v1 import graph_pb2, tensor_pb2
from serverless_dnn.runtime.engines.openvino.proof.contents import inferred_content
from serverless_dnn.runtime.engines.openvino.proof.facts import Facts, Number
from serverless_dnn.runtime.engines.openvino.proof.shapes import inferred_shape, merged_shape
from serverless_dnn.runtime.engines.openvino.proof.sizes import (
    FreeSize,
    Shape,
    is_never_empty,
    largest_of,
    smallest_of,
    total,
)

_OUTPUT_SHAPES = "_output_shapes"
_EXACT_IN_FLOAT32 = 1 << 24
# All their outputs have the same shape.
_ALIKE = frozenset({"Split", "Unpack"})
_INTEGERS = (tensor_pb2.DT_INT32, tensor_pb2.DT_INT64)


@dataclass(frozen=True)
class Call:
    """An operator, its inputs, and the facts about its outputs.

    Attributes:
        node: The operator.
        inputs: What is known of its inputs, in order, without control inputs.
        data: The inputs that are not parameters such as an axis or a shape.
        objections: Why its results are not proven equal to TensorFlow's; facts are returned regardless.
        limits: Bounds on free sizes that would allow more to be proven.
    """

    node: graph_pb2.NodeDef
    inputs: tuple[Facts, ...]
    data: tuple[Facts, ...]
    objections: list[str] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of an attribute as Python's own type; a list as a tuple.

        Args:
            name: The attribute.
            default: The value of an omitted attribute.
        """
        return attribute_value(self.node.attr, name, default)

    @property
    def varies(self) -> bool:
        """Whether any input depends on the values of the model's inputs."""
        return any(facts.varies for facts in self.inputs)

    def written_shape(self, index: int = 0) -> Shape | None:
        """The sizes TensorFlow recorded for an output when the model was saved."""
        if _OUTPUT_SHAPES not in self.node.attr:
            return None
        shapes = self.node.attr[_OUTPUT_SHAPES].list.shape
        if index >= len(shapes) or shapes[index].unknown_rank:
            return None
        return tuple(None if dim.size < 0 else dim.size for dim in shapes[index].dim)

    def output_shape(self, index: int = 0) -> Shape | None:
        """The sizes of an output: numbers, sizes derived from those of the inputs, or names of their own."""
        written = self.written_shape(index)
        if written is None or None in written:
            written = merged_shape(written, inferred_shape(self) if index == 0 or self.node.op in _ALIKE else None)
        if written is None:
            return None
        return tuple(
            FreeSize((f"{self.node.name}#{id(self)}:{index}.{axis}",), smallest=0) if size is None else size
            for axis, size in enumerate(written)
        )

    def result(  # noqa: PLR0913 - each is a separate fact
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
            index: The output's index.
            data_type: Its type; by default that of the first input.
            finite: Whether no value is NaN or infinite; by default, whether that holds for all inputs.
            number: Whether no value is NaN; by default, whether that holds for all inputs.
            exact: Whether its values equal TensorFlow's bit for bit if those of the inputs do.
            filled: Whether it has elements; by default, whether all inputs have.
        """
        shape = self.output_shape(index)
        if is_never_empty(shape):
            filled = True
        elif filled is None:
            filled = all(facts.filled for facts in self.data)
        data_type = self.data[0].data_type if data_type is None else data_type
        content = None if self.varies or data_type not in _INTEGERS or index else inferred_content(self)
        if content and None not in content:
            low = max(low, min(smallest_of(size) for size in content if size is not None))
            high = min(high, max(largest_of(size) for size in content if size is not None))
        finite = all(facts.finite for facts in self.data) if finite is None else finite
        return Facts(
            data_type,
            shape,
            low,
            high,
            finite,
            finite or (all(facts.number for facts in self.data) if number is None else number),
            self.varies,
            all(facts.fixed for facts in self.inputs),
            exact and all(facts.exact for facts in self.data),
            filled,
            value=_as_value(content, shape),
            content=content if shape is not None and len(shape) < 2 else None,
            operator=self.node.op,
            inputs=self.inputs,
        )

    def check_exact_integers(self, facts: Sequence[Facts]) -> None:
        """Check that integers stay in the range where float32, which OpenVINO may use for them, is exact.

        Args:
            facts: The inputs and outputs of the operator.

        """
        # Values that are the same in every call are computed when the model is compiled.
        if any(not fact.fixed and max(-fact.low, fact.high) > _EXACT_IN_FLOAT32 for fact in facts):
            self.objections.append("may compute with integers beyond 2^24, which OpenVINO holds as float32")


def _as_value(content: Shape | None, shape: Shape | None) -> NDArray[Any] | None:
    """The numbers of a constant; ``None`` if any of them varies between calls."""
    if content is None or shape is None or not all(isinstance(size, int) for size in (*content, *shape)):
        return None
    value = np.array(content, np.int64)
    return value.reshape([size for size in shape if isinstance(size, int)]) if total(shape) == value.size else None


def attribute_value(attributes: Mapping[str, graph_pb2.AttrValue], name: str, default: Any = None) -> Any:
    """The value of an attribute as Python's own type; a list as a tuple.

    Args:
        attributes: An operator's attributes.
        name: The attribute.
        default: The value of an omitted attribute.

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
