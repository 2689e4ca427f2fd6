"""Trace row indices back to inputs, whose bounds then keep them in range."""

from collections.abc import MutableMapping
from dataclasses import dataclass

from serverless_dnn.protos.v1 import tensor_pb2
from serverless_dnn.runtime.engines.openvino.proof.facts import Facts, Number
from serverless_dnn.runtime.engines.openvino.proof.rules.choices import wrapped_index

# Their outputs hold only elements of their inputs.
_COPYING = frozenset(
    {
        *("Reshape", "Transpose", "Squeeze", "ExpandDims", "ConcatV2", "Pack", "Unpack", "Split", "SplitV", "Slice"),
        *("StridedSlice", "Tile", "BroadcastTo", "ReverseV2", "Cast"),
    }
)
# Those that also keep the elements' positions.
_KEEPS_PLACES = frozenset({"Cast"})


@dataclass(frozen=True)
class IndexBounds:
    """The bounds on an input's values that keep the indices derived from them in range.

    Attributes:
        low: The smallest.
        high: The largest.
        rows: How many rows there are.
        in_place: Whether the input's values are the indices, in the same positions, so that the error can name the
            position.
    """

    low: Number
    high: Number
    rows: int
    in_place: bool = True


def bound_inputs(indices: Facts, rows: int, found: MutableMapping[str, IndexBounds]) -> bool:
    """Find the bounds of inputs that keep indices in range.

    Args:
        indices: The indices.
        rows: How many rows there are; indices must be from 0 to one less.
        found: Bounds by input name, narrowed in place.

    Returns:
        Whether they are then in range; ``False`` if values are computed in ways that are not traced.
    """
    return _bound(indices, IndexBounds(0, rows - 1, rows), found)


def _bound(facts: Facts, wanted: IndexBounds, found: MutableMapping[str, IndexBounds]) -> bool:
    if not facts.varies or (wanted.low <= facts.low and facts.high <= wanted.high):
        return True
    if facts.operator == "input":
        before = found.get(facts.alias)
        found[facts.alias] = wanted if before is None else _narrower(before, wanted)
        return True
    if facts.operator in _COPYING:
        in_place = wanted.in_place and facts.operator in _KEEPS_PLACES and _keeps_values(facts)
        moved = IndexBounds(wanted.low, wanted.high, wanted.rows, in_place)
        return all(_bound(source, moved, found) for source in facts.inputs)
    if facts.operator == "SelectV2" and (wrapped := wrapped_index(facts.inputs)) is not None:
        index, size = wrapped
        if wanted.low == 0 and wanted.high == size - 1:
            return _bound(index, IndexBounds(-size, size - 1, wanted.rows, in_place=False), found)
    return False


def _keeps_values(facts: Facts) -> bool:
    """Whether a cast turns integers into indices without truncating them."""
    return (facts.inputs[0].data_type, facts.data_type) == (tensor_pb2.DT_INT32, tensor_pb2.DT_INT64)


def _narrower(one: IndexBounds, other: IndexBounds) -> IndexBounds:
    tighter = other if other.high < one.high else one
    return IndexBounds(max(one.low, other.low), min(one.high, other.high), tighter.rows, tighter.in_place)
