"""Decide from a SavedModel's graph whether OpenVINO's results equal TensorFlow's, and with which guards."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.engines.openvino.proof.analysis import Analysis
from serverless_dnn.runtime.engines.openvino.proof.facts import Facts, Number
from serverless_dnn.runtime.engines.openvino.proof.free_sizes import FreeSizes
from serverless_dnn.runtime.engines.openvino.proof.guards import Guard
from serverless_dnn.runtime.engines.openvino.proof.index_bounds import IndexBounds, bound_inputs
from serverless_dnn.runtime.engines.openvino.proof.rules.base import is_integer
from serverless_dnn.runtime.engines.openvino.proof.sizes import LARGEST
from serverless_dnn.runtime.engines.openvino.proof.trace import Trace
from serverless_dnn.runtime.errors import ResourceExhaustedError
from serverless_dnn.runtime.saved_model.graph import Graph, reached_operators, read_graph
from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, Signature, TensorSpec

# Larger numbers may overflow float32 along the way, and NaN and infinities are left to TensorFlow.
_MAX_FLOAT = 1e10
_INT32 = (-(2**31), 2**31 - 1)
# Minimum sizes to try for free dimensions, until every window fits.
_DIMENSIONS = (2, 4, 8, 16, 32, 64, 128, 256)
# Bounds to try for integers, one after another, until everything computed from them is exact.
_INTEGER_BOUNDS = (1 << 24, 1 << 20, 1 << 16, 1 << 12, 1 << 8)
_SHORT_TYPES: Mapping[int, tuple[Number, Number]] = {
    tensor_pb2.DT_UINT8: (0, 255),
    tensor_pb2.DT_INT8: (-128, 127),
    tensor_pb2.DT_UINT16: (0, 65535),
    tensor_pb2.DT_INT16: (-32768, 32767),
    tensor_pb2.DT_BOOL: (0, 1),
}
_log = logging.getLogger(__name__)
_NOT_NUMBERS = "openvino has no type for: "


def analyse(version_folder: Path, signatures: Mapping[str, Signature]) -> Analysis:
    """Analyse a model's graph.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        signatures: Its signatures.

    Returns:
        The decision with its reasons.

    Raises:
        DataLossError: The file is not a SavedModel.
    """
    if reason := _why_never(signatures):
        return Analysis(unsafe=(reason,))
    try:
        graph = read_graph(version_folder)
    except ResourceExhaustedError as error:
        return Analysis(reasons=(str(error),))
    signature = signatures[DEFAULT_SIGNATURE]
    try:
        trace, assumed = _prove(graph, signature)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # A graph that no version of TensorFlow writes, or a bug in these rules: neither is proven.
        _log.warning("a graph cannot be followed", exc_info=True, extra={"folder": str(version_folder)})
        return Analysis(reasons=(f"its graph cannot be followed: {type(error).__name__}: {error}",))
    reasons = [*_ambiguous_names(signature), *_writes(graph, signatures), *trace.reasons]
    return Analysis(
        tuple(dict.fromkeys(reasons)),
        tuple(trace.unsafe),
        tuple(_guard(spec, assumed) for spec in signature.inputs.values()),
        _shared_places(signature) if assumed.sizes.shared else (),
        () if reasons else _same_functions(trace, signatures),
        trace.operators,
    )


def _why_never(signatures: Mapping[str, Signature]) -> str:
    """Why OpenVINO cannot read a SavedModel: it supports one signature, dense tensors and numeric types."""
    default = signatures.get(DEFAULT_SIGNATURE)
    if default is None:
        return f"the model has no signature {DEFAULT_SIGNATURE}, the only one openvino reads"
    if not default.supports_arrays:
        return "the model has sparse or composite tensors"
    tensors = (*default.inputs.values(), *default.outputs.values())
    if odd := [spec.name for spec in tensors if spec.dtype.kind not in "fiub"]:
        return _NOT_NUMBERS + ", ".join(odd)
    if narrowed := [spec.name for spec in tensors if spec.dtype.name in ("float64", "uint64")]:
        return f"openvino computes 64-bit floats and unsigned integers in 32 bits: {', '.join(narrowed)}"
    return ""


@dataclass(frozen=True)
class _Assumed:
    """What is assumed of inputs, and enforced by the guards.

    Attributes:
        bounds: Bounds of their values, by name.
        indices: For inputs that hold indices, the bounds that keep them in range.
        sizes: Assumptions about their free sizes.
        constants: What is known of the graph's constants, independent of the assumptions.
    """

    bounds: Mapping[str, tuple[Number, Number]]
    indices: Mapping[str, IndexBounds] = field(default_factory=dict)
    sizes: FreeSizes = field(default_factory=FreeSizes)
    constants: dict[int, Facts] = field(default_factory=dict)


def _prove(graph: Graph, signature: Signature) -> tuple[Trace, _Assumed]:
    """Trace a signature under assumptions about its inputs that leave no reason against it, if there are any."""
    assumed = _Assumed({alias: _widest(spec) for alias, spec in signature.inputs.items()})
    trace = _followed(graph, signature, assumed)
    if trace.indices or trace.limits:
        indices: dict[str, IndexBounds] = {}
        if not all(bound_inputs(facts, rows, indices) for facts, rows in trace.indices):
            indices.clear()
        bounds = {alias: (found.low, found.high) for alias, found in indices.items()}
        sizes = FreeSizes(largest=min(trace.limits, default=LARGEST))
        assumed = _Assumed({**assumed.bounds, **bounds}, indices, sizes, assumed.constants)
        trace = _followed(graph, signature, assumed)
    for tried in _narrower(assumed, signature):
        if not trace.reasons:
            break
        again = _followed(graph, signature, tried)
        if len(again.reasons) < len(trace.reasons):
            trace, assumed = again, tried
    if not trace.reasons and assumed.sizes.smallest > 1:
        trace, assumed = _least(graph, signature, trace, assumed)
    return trace, assumed


def _least(graph: Graph, signature: Signature, trace: Trace, assumed: _Assumed) -> tuple[Trace, _Assumed]:
    """Find the smallest sizes for which every window fits: below them TensorFlow rejects the call or crashes."""
    places = [
        (alias, axis)
        for alias, spec in signature.inputs.items()
        for axis, size in enumerate(spec.shape or ())
        if axis and size is None
    ]
    for place in places:
        too_small, enough = 0, assumed.sizes.smallest
        while enough - too_small > 1:
            middle = (enough + too_small) // 2
            smaller = {**assumed.sizes.smaller, place: middle}
            tried = replace(assumed, sizes=replace(assumed.sizes, smaller=smaller))
            again = _followed(graph, signature, tried)
            if again.reasons:
                too_small = middle
            else:
                trace, assumed, enough = again, tried, middle
    return trace, assumed


def _narrower(assumed: _Assumed, signature: Signature) -> Iterator[_Assumed]:
    """Assumptions to try, one after another: first about free sizes, then about integers."""
    sizes = assumed.sizes
    if _shared_places(signature):
        sizes = replace(sizes, shared=True)
        yield replace(assumed, sizes=sizes)
    if any(None in (spec.shape or ())[1:] for spec in signature.inputs.values()):
        for smallest in _DIMENSIONS:
            yield replace(assumed, sizes=replace(sizes, smallest=smallest))
    free = [a for a, s in signature.inputs.items() if is_integer(s.data_type) and a not in assumed.indices]
    for limit in _INTEGER_BOUNDS if free else ():
        narrowed = {a: (max(assumed.bounds[a][0], -limit), min(assumed.bounds[a][1], limit)) for a in free}
        yield replace(assumed, bounds={**assumed.bounds, **narrowed}, sizes=sizes)


def _shared_places(signature: Signature) -> tuple[tuple[tuple[str, int], ...], ...]:
    """The free dimensions that inputs share: the first of all, and those at equal positions in inputs of equal rank."""
    places: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for alias, spec in signature.inputs.items():
        for axis, size in enumerate(spec.shape or ()):
            if size is None:
                place = (len(spec.shape or ()), axis) if axis else (0, 0)
                places.setdefault(place, []).append((alias, axis))
    return tuple(tuple(each) for each in places.values() if len(each) > 1)


def _followed(graph: Graph, signature: Signature, assumed: _Assumed) -> Trace:
    trace = Trace(graph, assumed.bounds, assumed.sizes, assumed.constants)
    for alias, facts in trace.outputs(signature).items():
        spec = signature.outputs[alias]
        if is_integer(spec.data_type) and facts.varies and not (_INT32[0] <= facts.low and facts.high <= _INT32[1]):
            trace.reasons[f"output {alias} may exceed 32 bits, in which openvino computes"] = None
    return trace


def _widest(spec: TensorSpec) -> tuple[Number, Number]:
    if is_integer(spec.data_type) or spec.data_type == tensor_pb2.DT_BOOL:
        return _SHORT_TYPES.get(spec.data_type, _INT32)
    return -_MAX_FLOAT, _MAX_FLOAT


def _guard(spec: TensorSpec, assumed: _Assumed) -> Guard:
    index = assumed.indices.get(spec.name)
    in_place = index is not None and index.in_place and is_integer(spec.data_type)
    free = tuple(axis for axis, size in enumerate(spec.shape or ()) if size is None and axis)
    return Guard(
        spec.name,
        *assumed.bounds[spec.name],
        index.rows if index is not None and in_place else None,
        tuple((axis, assumed.sizes.at_least(spec, axis)) for axis in free),
        assumed.sizes.largest,
    )


def _ambiguous_names(signature: Signature) -> Sequence[str]:
    """OpenVINO finds tensors by both signature and graph names, so the two must not collide."""
    for alias in signature.inputs.keys() & signature.outputs.keys():
        if signature.inputs[alias].graph_name != signature.outputs[alias].graph_name:
            return [f"{alias} names an input and another tensor among the outputs"]
    tensors = [*signature.inputs.values(), *signature.outputs.values()]
    for spec in tensors:
        for other in tensors:
            names = {other.graph_name, other.graph_name.partition(":")[0]}
            if other is not spec and spec.name in names and spec.graph_name.partition(":")[0] != spec.name:
                return [f"{spec.name} names one tensor in the signature and another in the graph"]
    return ()


def _writes(graph: Graph, signatures: Mapping[str, Signature]) -> Sequence[str]:
    """Variables that any signature writes: two engines would each keep their own copy."""
    for signature in signatures.values():
        names = [spec.graph_name for spec in signature.outputs.values()]
        for node in reached_operators(graph, names):
            if node.op.startswith(("Assign", "ResourceScatter", "ResourceApply")):
                return [f"signature {signature.name} writes a variable: operator {node.op} in node {node.name}"]
    return ()


def _same_functions(trace: Trace, signatures: Mapping[str, Signature]) -> tuple[str, ...]:
    default = signatures[DEFAULT_SIGNATURE]
    outputs = trace.outputs(default)
    same = []
    for name, signature in signatures.items():
        if name == DEFAULT_SIGNATURE or not _same_interface(default, signature):
            continue
        others = trace.outputs(signature)
        if all(others[alias] is facts and facts.varies for alias, facts in outputs.items()):
            same.append(name)
    return tuple(same)


def _same_interface(one: Signature, other: Signature) -> bool:
    if one.inputs.keys() != other.inputs.keys() or one.outputs.keys() != other.outputs.keys():
        return False
    pairs = [(one.inputs[alias], other.inputs[alias]) for alias in one.inputs]
    return (
        one.method_name == other.method_name
        and all((a.data_type, a.shape) == (b.data_type, b.shape) for a, b in pairs)
        and all(np.array_equal(one.defaults[a], other.defaults.get(a, math.nan)) for a in one.defaults)
    )
