"""The graph behind a SavedModel's signatures, read without TensorFlow and in bounded memory.

A frozen graph holds all of a model's weights, so large constants are left out and replaced by a digest.
"""

import hashlib
import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serverless_dnn.protos.v1 import graph_pb2, tensor_pb2
from serverless_dnn.protos.wire_format import LENGTH_DELIMITED, encode_key, encode_varint, walk_fields
from serverless_dnn.runtime.errors import ResourceExhaustedError
from serverless_dnn.runtime.saved_model.meta_graph import open_meta_graph

_GRAPH = 2
# Constants up to this size are kept; shapes, axes and paddings are far smaller.
_LARGE_BYTES = 64 << 10
_MAX_GRAPH_BYTES = 256 << 20
# The message-typed fields of each message that may hold a large constant.
_INSIDE: Mapping[str, Mapping[int, str]] = {
    "GraphDef": {1: "NodeDef", 2: "FunctionDefLibrary"},
    "FunctionDefLibrary": {1: "FunctionDef"},
    "FunctionDef": {3: "NodeDef"},
    "NodeDef": {5: "AttrEntry"},
    "AttrEntry": {2: "AttrValue"},
    "AttrValue": {8: "TensorProto"},
}
_TENSOR_FIELDS_KEPT = frozenset({1, 2})
_STRING_VALUES = 8


@dataclass(frozen=True)
class Function:
    """A function of a graph.

    Attributes:
        definition: Its arguments, outputs and operators.
        nodes: The operators by name.
    """

    definition: graph_pb2.FunctionDef
    nodes: Mapping[str, graph_pb2.NodeDef]


@dataclass(frozen=True)
class Graph:
    """A meta graph's graph.

    Attributes:
        nodes: Its operators by name.
        functions: Its functions by name.
    """

    nodes: Mapping[str, graph_pb2.NodeDef]
    functions: Mapping[str, Function]


def read_graph(version_folder: Path, tags: Sequence[str] = ("serve",)) -> Graph:
    """Read the graph of a SavedModel.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        tags: The graph's tags.

    Returns:
        The graph. Constants over 64 KiB keep only their type and shape and, as a single string value, a digest.

    Raises:
        NotFoundError: There is no ``saved_model.pb``, or no graph with these tags.
        DataLossError: The file is not a SavedModel.
        ResourceExhaustedError: The graph without its large constants is over 256 MiB.
    """
    read = graph_pb2.GraphDef()
    with open_meta_graph(version_folder, tags) as graph:
        for part in graph.fields:
            if part.number == _GRAPH:
                without = _without_large_constants(graph.content, part.value, part.end, "GraphDef")
                if len(without) > _MAX_GRAPH_BYTES:
                    raise ResourceExhaustedError(
                        f"the graph in {version_folder} is {len(without)} bytes without its large constants, more than "
                        f"the {_MAX_GRAPH_BYTES} that are read"
                    )
                read.MergeFromString(without)
    functions = {
        function.signature.name: Function(function, {node.name: node for node in function.node_def})
        for function in read.library.function
    }
    return Graph({node.name: node for node in read.node}, functions)


def is_left_out(node: graph_pb2.NodeDef) -> bool:
    """Whether a constant was too large to be read.

    Args:
        node: A ``Const`` operator.

    Returns:
        True if its value is a digest.
    """
    value = node.attr["value"].tensor
    return bool(value.string_val) and value.dtype != tensor_pb2.DT_STRING


def _without_large_constants(content: mmap.mmap, begin: int, end: int, message: str) -> bytes:
    if end - begin <= _LARGE_BYTES:
        return content[begin:end]
    if message == "TensorProto":
        return _digested(content, begin, end)
    pieces = []
    for part in walk_fields(content, begin, end):
        inner = _INSIDE[message].get(part.number)
        if inner is None or part.wire_type != LENGTH_DELIMITED or part.end - part.value <= _LARGE_BYTES:
            pieces.append(content[part.begin : part.end])
        else:
            body = _without_large_constants(content, part.value, part.end, inner)
            pieces += encode_key(part.number), encode_varint(len(body)), body
    return b"".join(pieces)


def _digested(content: mmap.mmap, begin: int, end: int) -> bytes:
    kept = [content[p.begin : p.end] for p in walk_fields(content, begin, end) if p.number in _TENSOR_FIELDS_KEPT]
    with memoryview(content) as view, view[begin:end] as tensor:
        digest = hashlib.sha256(tensor).digest()
    return b"".join((*kept, encode_key(_STRING_VALUES), encode_varint(len(digest)), digest))


def reached_operators(graph: Graph, names: Iterable[str]) -> Iterator[graph_pb2.NodeDef]:
    """The operators that compute the given tensors, including those inside functions, each once.

    Args:
        graph: The graph.
        names: The tensors' names in it.

    Yields:
        The operators.
    """
    waiting: list[tuple[Mapping[str, graph_pb2.NodeDef], str]] = [(graph.nodes, name) for name in names]
    functions: set[str] = set()
    seen: set[int] = set()
    while waiting:
        nodes, reference = waiting.pop()
        node = nodes.get(reference.removeprefix("^").partition(":")[0])
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        waiting += [(nodes, name) for name in node.input]
        for value in node.attr.values():
            for called in (value.func, *value.list.func):
                function = graph.functions.get(called.name)
                if function is not None and called.name not in functions:
                    functions.add(called.name)
                    ends = (*function.definition.ret.values(), *function.definition.control_ret.values())
                    waiting += [(function.nodes, name) for name in ends]
