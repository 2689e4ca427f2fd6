"""Follow a signature through its graph, functions and loops included, with what is known of every tensor."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from serverless_dnn.protos.dtypes import TensorCodecError, data_type_name
from serverless_dnn.protos.tensor import decode_tensor
from serverless_dnn.protos.v1 import graph_pb2
from serverless_dnn.runtime.engines.openvino.call import Call, attribute_value
from serverless_dnn.runtime.engines.openvino.facts import UNKNOWN, Facts, Number, constant_facts, joined
from serverless_dnn.runtime.engines.openvino.misfits import misfit
from serverless_dnn.runtime.engines.openvino.operators import OPERATORS, UNSAFE, Operator
from serverless_dnn.runtime.engines.openvino.sizes import LARGEST, MOST_ELEMENTS, FreeSize, Shape, smallest_of
from serverless_dnn.runtime.saved_model.graph import Graph, is_left_out
from serverless_dnn.runtime.signature import Signature, TensorSpec

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_LOOPS = frozenset({"While", "StatelessWhile"})
_NOTHING = frozenset({"NoOp", "ControlTrigger"})
_MAX_DEPTH = 64
_MAX_ROUNDS = 5
_MAX_OPERATORS = 500_000
_TYPE_ATTRIBUTES = ("T", "dtype", "Tparams", "SrcT", "element_dtype", "TI", "Tidx", "out_type", "key_dtype")


@dataclass(frozen=True)
class FreeSizes:
    """What is assumed of the free sizes of a signature's inputs.

    Attributes:
        smallest: None but a first one is smaller.
        largest: None but a first one is larger.
        shared: First ones are equal in all inputs, others at the same place of inputs of one rank.
    """

    smallest: int = 1
    largest: int = LARGEST
    shared: bool = False

    def named(self, spec: TensorSpec) -> Shape | None:
        """The shape of an input, with names for its free sizes.

        Args:
            spec: The input.
        """
        if spec.shape is None:
            return None
        return tuple(self._named(spec, axis) if size is None else size for axis, size in enumerate(spec.shape))

    def _named(self, spec: TensorSpec, axis: int) -> FreeSize:
        shape = spec.shape or ()
        name = f"{spec.name}.{axis}" if not self.shared else f"{len(shape)}.{axis}" if axis else "batch"
        # The more elements the other dimensions have, the smaller this one is.
        largest = min(LARGEST, MOST_ELEMENTS // math.prod(size or 1 for size in shape))
        return (
            FreeSize((name,), 1, self.smallest, min(largest, self.largest))
            if axis
            else FreeSize((name,), 1, 1, largest)
        )


@dataclass
class Seen:
    """What was found of one kind of operator.

    Attributes:
        count: How many a signature reaches.
        reason: Why the first that is not proven is not; empty when all are.
    """

    count: int = 0
    reason: str = ""


@dataclass
class _Frame:
    """A graph or a call of a function: its operators, and what is known of their outputs so far."""

    nodes: Mapping[str, graph_pb2.NodeDef]
    arguments: Mapping[str, Facts] = field(default_factory=dict)
    fed: Mapping[tuple[str, int], Facts] = field(default_factory=dict)
    results: dict[str, Sequence[Facts]] = field(default_factory=dict)


class Trace:
    """What is found on the way of signatures through one graph.

    Args:
        graph: The graph.
        bounds: Bounds of the values of inputs, by input name; the guards see to them.
        smallest: No dimension of free size of an input, but the first, is smaller; likewise.

    Attributes:
        reasons: Why answers are not proven, in the order found, none twice.
        operators: What was found, by operator and type.
        indices: Tensors that hold indices of rows, with the number of rows.
        limits: Bounds of the free sizes of inputs that would make more known.
        unsafe: Of the operators reached, those that OpenVINO must never run.
    """

    def __init__(self, graph: Graph, bounds: Mapping[str, tuple[Number, Number]], sizes: FreeSizes) -> None:
        self.reasons: dict[str, None] = {}
        self.operators: dict[tuple[str, str], Seen] = {}
        self.indices: list[tuple[Facts, int]] = []
        self.limits: set[int] = set()
        self.unsafe: dict[str, str] = {}
        self._graph = graph
        self._bounds = bounds
        self._free_sizes = sizes
        self._inputs: dict[tuple[object, ...], Facts] = {}
        # Sources are the same whatever is fed, and calls of one function with the same arguments are one call: so two
        # signatures of one function are found to be the same.
        self._sources: dict[str, Sequence[Facts]] = {}
        self._called: dict[tuple[object, ...], Sequence[Facts]] = {}
        self._depth = 0
        self._left = _MAX_OPERATORS

    def outputs(self, signature: Signature) -> dict[str, Facts]:
        """Follow a signature.

        Args:
            signature: The signature, of dense tensors.

        Returns:
            What is known of each of its outputs.
        """
        fed = {_port(spec.graph_name): self._input(spec) for spec in signature.inputs.values()}
        frame = _Frame(self._graph.nodes, fed=fed, results=dict(self._sources))
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

    def _evaluate(self, frame: _Frame, wanted: Sequence[str]) -> None:
        for name in _in_order(frame, wanted):
            node = frame.nodes[name]
            inputs = tuple(self._tensor(frame, ref) for ref in node.input if not ref.startswith("^"))
            self._left -= 1
            if self._left < 0:
                self.reasons["the graph has too many operators to be followed"] = None
                return
            frame.results[name] = self._results(node, inputs)

    def _tensor(self, frame: _Frame, reference: str) -> Facts:
        if reference in frame.arguments:
            return frame.arguments[reference]
        name, port = _port(reference)
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
            return [_constant(node)]
        return () if node.op in _NOTHING else self._operator(node, inputs)

    def _operator(self, node: graph_pb2.NodeDef, inputs: tuple[Facts, ...]) -> Sequence[Facts]:
        self.operators.setdefault((node.op, _type_name(node)), Seen()).count += 1
        if node.op in UNSAFE and node.op not in OPERATORS:
            self.unsafe[node.op] = UNSAFE[node.op]
        operator = OPERATORS.get(node.op)
        if operator is None:
            self._refuse(node, "is not on the list of operators proven equal to tensorflow's")
        elif objection := _objection(node, operator):
            self._refuse(node, objection)
        elif not any(facts.unproven for facts in inputs):
            return self._listed(node, operator, inputs)
        return _unknown(node)

    def _listed(self, node: graph_pb2.NodeDef, operator: Operator, inputs: tuple[Facts, ...]) -> Sequence[Facts]:
        parameters = {position % len(inputs) for position in operator.parameters if position < len(inputs)}
        data = tuple(facts for position, facts in enumerate(inputs) if position not in parameters)
        call = Call(node, inputs, data)
        if call.varies:
            _check_inputs(call, operator, parameters)
        if operator.indices is not None:
            self._check_indices(call, inputs[operator.indices])
        if call.varies and (objection := misfit(call)):
            call.objections.append(objection)
        results = operator.rule(call)
        self.limits.update(call.limits)
        for objection in call.objections:
            self._refuse(node, objection)
        if node.op in UNSAFE and call.objections:
            self.unsafe[node.op] = UNSAFE[node.op]
        return results

    def _refuse(self, node: graph_pb2.NodeDef, why: str) -> None:
        type_name = _type_name(node)
        on = f" on {type_name}" if type_name else ""
        reason = f"operator {node.op}{on} in node {node.name} {why}"
        seen = self.operators.setdefault((node.op, type_name), Seen())
        seen.reason = seen.reason or reason
        self.reasons[reason] = None

    def _check_indices(self, call: Call, indices: Facts) -> None:
        axis = call.inputs[2].scalar if len(call.inputs) > 2 else 0
        shape = call.inputs[0].shape
        size = None if axis is None or shape is None else shape[int(axis)]
        is_in_range = indices.low >= 0 and size is not None and indices.high < smallest_of(size)
        # Constants that are out of range are so in every call.
        if is_in_range or (indices.fixed and isinstance(size, int)):
            return
        if not isinstance(size, int):
            call.objections.append("takes indices of a dimension whose size is not known")
            return
        if indices.varies:
            self.indices.append((indices, size))
        else:
            # They are made of sizes, such as the places in a text.
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
        frame = _Frame(function.nodes, arguments)
        returned = [definition.ret[output.name] for output in definition.signature.output_arg]
        self._depth += 1
        self._evaluate(frame, [*returned, *(f"^{name}" for name in definition.control_ret.values())])
        self._depth -= 1
        return [self._tensor(frame, reference) for reference in returned]

    def _loop(self, node: graph_pb2.NodeDef, inputs: tuple[Facts, ...]) -> Sequence[Facts]:
        """Follow a loop once with bounds that hold for every round."""
        body, condition = (attribute_value(node.attr, name).name for name in ("body", "cond"))
        variables = inputs
        for round_number in range(_MAX_ROUNDS):
            after = self._run(body, variables)
            if len(after) != len(variables):
                return _unknown(node)
            # What still grows in the second round is not bounded at all.
            merged = tuple(_merged(*pair, widen=round_number > 0) for pair in zip(variables, after, strict=True))
            stable = all(_same_bounds(*pair) for pair in zip(variables, merged, strict=True))
            variables = merged
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


def _unknown(node: graph_pb2.NodeDef) -> Sequence[Facts]:
    shapes = node.attr["_output_shapes"].list.shape if "_output_shapes" in node.attr else ()
    return [UNKNOWN] * max(1, len(shapes))


def _objection(node: graph_pb2.NodeDef, operator: Operator) -> str:
    """Why an operator is not proven with its types and attributes; empty when it is."""
    for name, types in operator.types.items():
        found = attribute_value(node.attr, name)
        if found is not None and found not in types:
            return f"is not proven for {shown_type(found)}"
    for name, values in operator.attributes.items():
        value = attribute_value(node.attr, name, values[0])
        if value not in values:
            return f"is not proven with {name} {value.decode() if isinstance(value, bytes) else value}"
    return ""


def _same_bounds(before: Facts, after: Facts) -> bool:
    names = ("shape", "low", "high", "finite", "number", "varies", "exact", "filled", "content", "unproven")
    return all(getattr(before, name) == getattr(after, name) for name in names)


def _check_inputs(call: Call, operator: Operator, parameters: set[int]) -> None:
    if any(call.inputs[position].varies for position in parameters):
        call.objections.append("takes a shape, an axis or another parameter from values of inputs")
    varying = [facts for facts in call.data if facts.varies]
    if operator.accepts == "finite" and not all(facts.finite for facts in varying):
        call.objections.append("may see NaN or infinities made before it")
    if operator.accepts == "numbers" and not all(facts.number for facts in varying):
        call.objections.append("may see NaN made before it")
    if not operator.passes_empty and not all(facts.filled for facts in varying):
        call.objections.append("may see a tensor without elements")


def _merged(before: Facts, after: Facts, *, widen: bool) -> Facts:
    """What is known of a loop's variable before a round and after it, for every round."""
    if before is after:
        return before
    low, high = joined((before, after))
    if widen and (low, high) != before.within:
        counts_up = after.operator in ("AddV2", "Add") and after.inputs[0] is before and after.inputs[1].scalar == 1
        low, high = (low, LARGEST) if counts_up else (-math.inf, math.inf)
    return replace(
        before,
        shape=_merged_shape(before, after),
        content=before.content if before.content == after.content else None,
        low=low,
        high=high,
        finite=before.finite and after.finite,
        number=before.number and after.number,
        varies=before.varies or after.varies,
        fixed=False,
        exact=before.exact and after.exact,
        filled=before.filled and after.filled,
        value=None,
        alias="",
        operator="",
        inputs=(),
        unproven=before.unproven or after.unproven,
    )


def _merged_shape(before: Facts, after: Facts) -> Shape | None:
    """Sizes that stay the same; a list has the shape of its elements once they are set."""
    if before.operator == "TensorListReserve":
        return after.shape
    if before.shape is None or after.shape is None or len(before.shape) != len(after.shape):
        return None
    return tuple(one if one == other else None for one, other in zip(before.shape, after.shape, strict=True))


def _in_order(frame: _Frame, wanted: Sequence[str]) -> Iterator[str]:
    """The operators that tensors need, each behind its own inputs."""
    state: dict[str, bool] = dict.fromkeys(frame.results, True)
    stack = [name for reference in reversed(wanted) if (name := _node_name(frame, reference))]
    while stack:
        name = stack[-1]
        if state.get(name):
            stack.pop()
            continue
        if name in state:
            state[name] = True
            stack.pop()
            yield name
            continue
        state[name] = False
        needed = (_node_name(frame, reference) for reference in frame.nodes[name].input)
        stack += [other for other in needed if other and other not in state]


def _node_name(frame: _Frame, reference: str) -> str:
    """The operator that a reference names; empty for an argument and for what is fed."""
    if reference in frame.arguments or (not reference.startswith("^") and _port(reference) in frame.fed):
        return ""
    name = reference.removeprefix("^").partition(":")[0]
    return name if name in frame.nodes else ""


def _port(reference: str) -> tuple[str, int]:
    name, *rest = reference.split(":")
    return name, int(rest[-1]) if rest else 0


def _type_name(node: graph_pb2.NodeDef) -> str:
    if node.op == "Cast":
        return f"{shown_type(node.attr['SrcT'].type)} to {shown_type(node.attr['DstT'].type)}"
    for name in _TYPE_ATTRIBUTES:
        if name in node.attr and node.attr[name].WhichOneof("value") == "type":
            return shown_type(node.attr[name].type)
    return ""


def shown_type(data_type: int) -> str:
    """A tensor type's name as TensorFlow's Python shows it.

    Args:
        data_type: The number of the ``DataType``.
    """
    return {1: "float32", 2: "float64", 19: "float16"}.get(data_type) or data_type_name(data_type)[3:].lower()
