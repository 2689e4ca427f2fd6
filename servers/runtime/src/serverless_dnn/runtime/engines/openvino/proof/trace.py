"""Trace a signature through its graph, including functions and loops, with what is known of every tensor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from serverless_dnn.protos.dtypes import TensorCodecError, data_type_name
from serverless_dnn.protos.tensor import decode_tensor
from serverless_dnn.protos.v1 import graph_pb2
from serverless_dnn.runtime.engines.openvino.proof.call import Call, attribute_value
from serverless_dnn.runtime.engines.openvino.proof.facts import UNKNOWN, Facts, Number, constant_facts
from serverless_dnn.runtime.engines.openvino.proof.frames import Frame, in_order, port_of
from serverless_dnn.runtime.engines.openvino.proof.free_sizes import FreeSizes
from serverless_dnn.runtime.engines.openvino.proof.loops import merged, same_bounds
from serverless_dnn.runtime.engines.openvino.proof.misfits import misfit
from serverless_dnn.runtime.engines.openvino.proof.operators import OPERATORS, Operator
from serverless_dnn.runtime.engines.openvino.proof.sizes import smallest_of
from serverless_dnn.runtime.engines.openvino.proof.unsafe import (
    ALWAYS,
    BEHIND_UNLISTED,
    CHECKED_PARAMETERS,
    WITH_MISFITS,
)
from serverless_dnn.runtime.saved_model.graph import Graph, is_left_out
from serverless_dnn.runtime.saved_model.signature import Signature, TensorSpec

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_LOOPS = frozenset({"While", "StatelessWhile"})
_NOTHING = frozenset({"NoOp", "ControlTrigger"})
_MAX_DEPTH = 64
_MAX_ROUNDS = 5
_MAX_OPERATORS = 500_000
_TYPE_ATTRIBUTES = ("T", "dtype", "Tparams", "SrcT", "element_dtype", "TI", "Tidx", "out_type", "key_dtype")


@dataclass
class Seen:
    """The findings for one kind of operator.

    Attributes:
        count: How many of them a signature reaches.
        reason: Why the first unproven one is not proven; empty if all are.
    """

    count: int = 0
    reason: str = ""


class Trace:
    """The findings of tracing signatures through one graph.

    Args:
        graph: The graph.
        bounds: Bounds of input values, by input name, enforced by the guards.
        sizes: Assumptions about free sizes; likewise enforced.
        constants: What is known of the graph's constants, by the identity of their node; filled in for the next trace.

    Attributes:
        reasons: Why results are not proven, in the order found, without duplicates.
        operators: The findings, by operator and type.
        indices: Tensors that hold indices of rows, with the number of rows.
        limits: Bounds on the inputs' free sizes that would allow more to be proven.
        unsafe: Why OpenVINO must not run it, even if requested by name; in the order found, without duplicates.
    """

    def __init__(
        self,
        graph: Graph,
        bounds: Mapping[str, tuple[Number, Number]],
        sizes: FreeSizes,
        constants: dict[int, Facts],
    ) -> None:
        self.reasons: dict[str, None] = {}
        self.operators: dict[tuple[str, str], Seen] = {}
        self.indices: list[tuple[Facts, int]] = []
        self.limits: set[int] = set()
        self.unsafe: dict[str, None] = {}
        self._graph = graph
        self._bounds = bounds
        self._free_sizes = sizes
        self._constants = constants
        self._inputs: dict[tuple[object, ...], Facts] = {}
        # Sources do not depend on what is fed, and calls of one function with the same arguments count as one: this is
        # how two signatures of the same function are recognised.
        self._sources: dict[str, Sequence[Facts]] = {}
        self._called: dict[tuple[object, ...], Sequence[Facts]] = {}
        self._depth = 0
        self._left = _MAX_OPERATORS

    def outputs(self, signature: Signature) -> dict[str, Facts]:
        """Trace a signature.

        Args:
            signature: The signature, of dense tensors.

        Returns:
            What is known of each of its outputs.
        """
        fed = {port_of(spec.graph_name): self._input(spec) for spec in signature.inputs.values()}
        frame = Frame(self._graph.nodes, fed=fed, results=dict(self._sources))
        wanted = {alias: spec.graph_name for alias, spec in signature.outputs.items()}
        self._evaluate(frame, list(wanted.values()))
        self._sources = {name: found for name, found in frame.results.items() if not self._graph.nodes[name].input}
        return {alias: self._tensor(frame, reference) for alias, reference in wanted.items()}

    def _input(self, spec: TensorSpec) -> Facts:
        key = (spec.name, spec.data_type, spec.shape)
        if key not in self._inputs:
            low, high = self._bounds[spec.name]
            self._inputs[key] = Facts(
                spec.data_type,
                self._free_sizes.named(spec),
                low,
                high,
                varies=True,
                fixed=False,
                alias=spec.name,
                operator="input",
            )
        return self._inputs[key]

    def _evaluate(self, frame: Frame, wanted: Sequence[str]) -> None:
        for name in in_order(frame, wanted):
            node = frame.nodes[name]
            inputs = tuple(self._tensor(frame, ref) for ref in node.input if not ref.startswith("^"))
            self._left -= 1
            if self._left < 0:
                self.reasons["the graph has too many operators to be followed"] = None
                return
            frame.results[name] = self._results(node, inputs)

    def _tensor(self, frame: Frame, reference: str) -> Facts:
        if reference in frame.arguments:
            return frame.arguments[reference]
        name, port = port_of(reference)
        if (name, port) in frame.fed:
            return frame.fed[name, port]
        if (middle := reference.split(":")[1:-1]) and (operator := OPERATORS.get(frame.nodes[name].op)):
            port += operator.outputs.index(middle[0]) if middle[0] in operator.outputs else 0
        found = frame.results.get(name, ())
        return found[port] if port < len(found) else UNKNOWN

    def _results(self, node: graph_pb2.NodeDef, inputs: tuple[Facts, ...]) -> Sequence[Facts]:
        if node.op in _CALLS:
            return self._call(attribute_value(node.attr, "f").name, inputs)
        if node.op in _LOOPS:
            return self._loop(node, inputs)
        if node.op == "Const":
            if id(node) not in self._constants:
                self._constants[id(node)] = _constant(node)
            return [self._constants[id(node)]]
        return () if node.op in _NOTHING else self._operator(node, inputs)

    def _operator(self, node: graph_pb2.NodeDef, inputs: tuple[Facts, ...]) -> Sequence[Facts]:
        self.operators.setdefault((node.op, _type_name(node)), Seen()).count += 1
        if node.op in ALWAYS:
            self.unsafe[f"operator {node.op} in node {node.name} {ALWAYS[node.op]} in openvino"] = None
        operator = OPERATORS.get(node.op)
        if operator is None:
            self._refuse(node, "is not on the list of operators proven equal to tensorflow's")
        elif objection := _objection(node, operator):
            self._refuse(node, objection)
        elif not any(facts.unproven for facts in inputs):
            return self._listed(node, operator, inputs)
        elif any(facts.unproven for facts in _parameters(operator, inputs)):
            self._refuse_parameters(node)
        elif node.op in BEHIND_UNLISTED:
            self._never(node, "has inputs of unknown sizes")
        return _unknown(node)

    def _refuse_parameters(self, node: graph_pb2.NodeDef) -> None:
        if node.op not in CHECKED_PARAMETERS:
            self._never(node, "takes a size or another parameter from values of inputs")

    def _never(self, node: graph_pb2.NodeDef, why: str) -> None:
        self.unsafe[f"operator {node.op} in node {node.name} {why}, which openvino does not check"] = None

    def _listed(self, node: graph_pb2.NodeDef, operator: Operator, inputs: tuple[Facts, ...]) -> Sequence[Facts]:
        parameters = {position % len(inputs) for position in operator.parameters if position < len(inputs)}
        data = tuple(facts for position, facts in enumerate(inputs) if position not in parameters)
        call = Call(node, inputs, data)
        if call.varies:
            self._check_inputs(call, operator, parameters)
        if operator.indices is not None:
            self._check_indices(call, inputs[operator.indices])
        if call.varies and (objection := misfit(call)):
            call.objections.append(objection)
            if node.op in WITH_MISFITS:
                self._never(node, objection)
        results = operator.rule(call)
        self.limits.update(call.limits)
        for objection in call.objections:
            self._refuse(node, objection)
        return results

    def _refuse(self, node: graph_pb2.NodeDef, why: str) -> None:
        type_name = _type_name(node)
        on = f" on {type_name}" if type_name else ""
        reason = f"operator {node.op}{on} in node {node.name} {why}"
        seen = self.operators.setdefault((node.op, type_name), Seen())
        seen.reason = seen.reason or reason
        self.reasons[reason] = None

    def _check_inputs(self, call: Call, operator: Operator, parameters: set[int]) -> None:
        if any(call.inputs[position].varies for position in parameters):
            call.objections.append("takes a shape, an axis or another parameter from values of inputs")
            self._refuse_parameters(call.node)
        varying = [facts for facts in call.data if facts.varies]
        if operator.accepts == "finite" and not all(facts.finite for facts in varying):
            call.objections.append("may see NaN or infinities made before it")
        if operator.accepts == "numbers" and not all(facts.number for facts in varying):
            call.objections.append("may see NaN made before it")
        if not operator.passes_empty and not all(facts.filled for facts in varying):
            call.objections.append("may see a tensor without elements")
            if operator.indices is not None:
                self._never(call.node, "may take rows of a table that has none")
        if not all(facts.finite for facts in call.data if not facts.varies):
            call.objections.append("takes a constant that is NaN or infinite")

    def _check_indices(self, call: Call, indices: Facts) -> None:
        axis = call.inputs[2].scalar if len(call.inputs) > 2 else 0
        shape = call.inputs[0].shape
        size = None if axis is None or shape is None else shape[int(axis)]
        is_in_range = indices.low >= 0 and size is not None and indices.high < smallest_of(size)
        # Constants that are out of range are out of range in every call.
        if is_in_range or (indices.fixed and isinstance(size, int)):
            return
        if not isinstance(size, int):
            call.objections.append("takes indices of a dimension whose size is not known")
            return
        if indices.varies:
            self.indices.append((indices, size))
        else:
            # They are derived from sizes, such as positions in a text.
            self.limits.add(size)
        call.objections.append(f"takes indices that may be outside [0, {size})")

    def _call(self, name: str, inputs: tuple[Facts, ...]) -> Sequence[Facts]:
        key = (name, *map(id, inputs))
        if key not in self._called:
            self._called[key] = self._run(name, inputs)
        return self._called[key]

    def _run(self, name: str, inputs: tuple[Facts, ...]) -> Sequence[Facts]:
        function = self._graph.functions.get(name)
        if function is None or self._depth >= _MAX_DEPTH:
            self.reasons[f"function {name} is missing, or calls itself too deeply"] = None
            return ()
        definition = function.definition
        arguments = dict(zip((argument.name for argument in definition.signature.input_arg), inputs, strict=False))
        frame = Frame(function.nodes, arguments)
        returned = [definition.ret[output.name] for output in definition.signature.output_arg]
        self._depth += 1
        self._evaluate(frame, [*returned, *(f"^{name}" for name in definition.control_ret.values())])
        self._depth -= 1
        return [self._tensor(frame, reference) for reference in returned]

    def _loop(self, node: graph_pb2.NodeDef, inputs: tuple[Facts, ...]) -> Sequence[Facts]:
        """Trace a loop once, with bounds that hold for every iteration."""
        body, condition = (attribute_value(node.attr, name).name for name in ("body", "cond"))
        variables = inputs
        for round_number in range(_MAX_ROUNDS):
            after = self._run(body, variables)
            if len(after) != len(variables):
                return _unknown(node)
            # Bounds that still grow in the second iteration are given up.
            joined = tuple(merged(*pair, widen=round_number > 0) for pair in zip(variables, after, strict=True))
            stable = all(same_bounds(*pair) for pair in zip(variables, joined, strict=True))
            variables = joined
            if stable:
                break
        else:
            self._refuse(node, "changes from round to round in a way that is not followed")
        goes_on = self._run(condition, variables)
        if not goes_on or goes_on[0].varies:
            self._refuse(node, "ends when values of inputs say so")
        return variables


def _constant(node: graph_pb2.NodeDef) -> Facts:
    proto = node.attr["value"].tensor
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if is_left_out(node):
        return Facts(proto.dtype, shape, operator="Const")
    try:
        return constant_facts(proto.dtype, decode_tensor(proto))
    except TensorCodecError:
        return Facts(proto.dtype, shape, operator="Const")


def _parameters(operator: Operator, inputs: tuple[Facts, ...]) -> list[Facts]:
    return [inputs[place] for place in operator.parameters if place < len(inputs)]


def _unknown(node: graph_pb2.NodeDef) -> Sequence[Facts]:
    shapes = node.attr["_output_shapes"].list.shape if "_output_shapes" in node.attr else ()
    return [UNKNOWN] * max(1, len(shapes))


def _objection(node: graph_pb2.NodeDef, operator: Operator) -> str:
    """Why an operator is not proven with its types and attributes; empty if it is."""
    for name, types in operator.types.items():
        found = attribute_value(node.attr, name)
        if found is not None and found not in types:
            return f"is not proven for {shown_type(found)}"
    for name, values in operator.attributes.items():
        value = attribute_value(node.attr, name, values[0])
        if value not in values:
            return f"is not proven with {name} {value.decode() if isinstance(value, bytes) else value}"
    return ""


def _type_name(node: graph_pb2.NodeDef) -> str:
    if node.op == "Cast":
        return f"{shown_type(node.attr['SrcT'].type)} to {shown_type(node.attr['DstT'].type)}"
    for name in _TYPE_ATTRIBUTES:
        if name in node.attr and node.attr[name].WhichOneof("value") == "type":
            return shown_type(node.attr[name].type)
    return ""


@cache
def shown_type(data_type: int) -> str:
    """A tensor type's name as shown by TensorFlow in Python.

    Args:
        data_type: The number of the ``DataType``.
    """
    return {1: "float32", 2: "float64", 19: "float16"}.get(data_type) or data_type_name(data_type)[3:].lower()
