"""Freeze signatures: make copies with variables as constants, where freezing does not change results.

A copy holds the values its variables had when it was made, so no signature of the model may write them. Tables, queues
and the like are not values at all, and a copy cannot hold them.
"""

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from google.protobuf.message import Error as ProtobufError
from tensorflow.python.framework import op_def_registry
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from serverless_dnn.runtime.engines.tensorflow.functions import first_line, input_order
from serverless_dnn.runtime.saved_model.signature import Signature

_VARIABLES = frozenset({"Variable", "VariableV2"})
_HARMLESS = _VARIABLES | {
    *("ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape"),
    *("Placeholder", "Identity", "IdentityN", "Switch", "Merge", "Enter", "Exit", "NextIteration"),
    *("PartitionedCall", "StatefulPartitionedCall", "If", "StatelessIf", "While", "StatelessWhile"),
    *("Case", "StatelessCase"),
    # Local to one call, despite the type of their handle.
    *("TensorArrayV3", "TensorArrayReadV3", "TensorArrayWriteV3", "TensorArrayGatherV3", "TensorArrayScatterV3"),
    *("TensorArrayConcatV3", "TensorArraySplitV3", "TensorArraySizeV3", "TensorArrayCloseV3"),
}


@dataclass(frozen=True)
class _State:
    """The state a function keeps between calls.

    Attributes:
        variables: Identifies the variables and tables it holds; comparable across functions of the model.
        operations: The names of the operations that do more than read a variable.
    """

    variables: frozenset[object]
    operations: tuple[str, ...]

    @property
    def may_write(self) -> bool:
        """Whether it may write variables, which is assumed unless it only uses tables."""
        return not all("Table" in operation for operation in self.operations)


@dataclass(frozen=True)
class FrozenCopy:
    """A function with its variables as constants.

    Attributes:
        function: TensorFlow's function.
        call: Calls it with the input and output names of the original function.
    """

    function: Any
    call: Callable[..., Mapping[str, Any]]


def freeze(
    functions: Mapping[str, Any], signatures: Mapping[str, Signature]
) -> tuple[dict[str, FrozenCopy], dict[str, str]]:
    """Freeze the signatures that can be frozen.

    Args:
        functions: The functions of all of a model's signatures.
        signatures: The signatures they implement.

    Returns:
        A frozen copy, with the same names, of each function whose results freezing does not change; and for every other
        function, why there is none.
    """
    states = {name: _state(function) for name, function in functions.items()}
    frozen, reasons = {}, {}
    for name, function in functions.items():
        if reason := _why_not(name, states):
            reasons[name] = reason
            continue
        try:
            frozen[name] = _freeze(function, signatures[name])
        except (ValueError, TypeError, LookupError, NotImplementedError, tf.errors.OpError, ProtobufError) as error:
            # The conversion does not support every operation and type, or graphs of 2 GB, and raises all kinds of
            # errors.
            reasons[name] = f"TensorFlow cannot make its variables constants: {first_line(error)}"
    # The conversion leaves several copies of the weights behind, in cycles that only the garbage collector can free.
    gc.collect()
    return frozen, reasons


def _why_not(name: str, states: Mapping[str, _State]) -> str:
    if operations := states[name].operations:
        return f"it uses state that cannot be a constant: {', '.join(operations)}"
    for other, state in states.items():
        if state.may_write and state.variables & states[name].variables:
            return f"signature {other} may write variables that it reads: {', '.join(state.operations)}"
    return ""


def _state(function: Any) -> _State:
    captures = {id(outside) for outside, inside in function.graph.captures if inside.consumers()}
    # TensorFlow 1 variables are nodes, and functions that name the same node share it.
    named, operations = set(), set()
    for node in _nodes(function.graph.as_graph_def()):
        if node.op in _VARIABLES:
            named.add(node.name)
        elif node.op not in _HARMLESS and _takes_or_gives_resources(node):
            operations.add(node.op)
    return _State(frozenset(captures | named), tuple(sorted(operations)))


def _nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph and of all functions that it calls."""
    bodies = {function.signature.name: function.node_def for function in graph.library.function}
    waiting = [graph.node]
    while waiting:
        for node in waiting.pop():
            yield node
            called = [node.op]
            for value in node.attr.values():
                called += [value.func.name, *(function.name for function in value.list.func)]
            waiting += [bodies.pop(name) for name in called if name in bodies]


def _takes_or_gives_resources(node: Any) -> bool:
    definition = op_def_registry.get(node.op)
    if definition is None:
        return False
    for arg in (*definition.input_arg, *definition.output_arg):
        types = (arg.type, node.attr[arg.type_attr].type, *node.attr[arg.type_list_attr].list.type)
        if arg.is_ref or tf.resource.as_datatype_enum in types:
            return True
    return False


def _freeze(function: Any, signature: Signature) -> FrozenCopy:
    frozen = convert_variables_to_constants_v2(function)
    inputs, outputs = input_order(function, signature.inputs), sorted(function.structured_outputs)

    def call(**tensors: Any) -> Mapping[str, Any]:
        return dict(zip(outputs, frozen(*(tensors[name] for name in inputs)), strict=True))

    return FrozenCopy(frozen, call)
