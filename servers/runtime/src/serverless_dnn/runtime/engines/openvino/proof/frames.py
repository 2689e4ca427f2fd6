"""A graph, or a call of one of its functions, and the order in which its operators are traced."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from serverless_dnn.protos.v1 import graph_pb2
from serverless_dnn.runtime.engines.openvino.proof.facts import Facts


@dataclass
class Frame:
    """A graph or a call of a function: its operators, and what is known of their outputs so far."""

    nodes: Mapping[str, graph_pb2.NodeDef]
    arguments: Mapping[str, Facts] = field(default_factory=dict)
    fed: Mapping[tuple[str, int], Facts] = field(default_factory=dict)
    results: dict[str, Sequence[Facts]] = field(default_factory=dict)


def in_order(frame: Frame, wanted: Sequence[str]) -> Iterator[str]:
    """The operators that tensors depend on, each after its own inputs."""
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


def _node_name(frame: Frame, reference: str) -> str:
    """The operator that a reference names; empty for an argument or a fed tensor."""
    if reference in frame.arguments or (not reference.startswith("^") and port_of(reference) in frame.fed):
        return ""
    name = reference.removeprefix("^").partition(":")[0]
    return name if name in frame.nodes else ""


def port_of(reference: str) -> tuple[str, int]:
    """The operator and output index that a reference names.

    Args:
        reference: For example ``node``, ``node:1`` or, in a function, ``node:output:1``.
    """
    name, *rest = reference.split(":")
    return name, int(rest[-1]) if rest else 0
