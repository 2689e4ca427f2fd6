"""The sizes held by small integer tensors, such as the shape input of a Reshape."""

from typing import TYPE_CHECKING

from serverless_dnn.runtime.engines.openvino.proof.sizes import Shape, multiplied

if TYPE_CHECKING:
    from serverless_dnn.runtime.engines.openvino.proof.call import Call


def inferred_content(call: "Call") -> Shape | None:
    """The integers in a small tensor computed from sizes.

    Args:
        call: The operator.

    Returns:
        The numbers of a vector in order, or the one of a scalar; ``None`` if they cannot be traced.
    """
    contents = [facts.content for facts in call.inputs]
    operator = call.node.op
    if operator == "Shape":
        return call.inputs[0].shape
    if operator in ("Cast", "Reshape", "ExpandDims", "Squeeze"):
        return contents[0]
    if operator in ("Pack", "ConcatV2"):
        parts = contents if operator == "Pack" else contents[:-1]
        return None if None in parts else tuple(size for part in parts for size in part or ())
    return _computed_content(call, contents)


def _computed_content(call: "Call", contents: list[Shape | None]) -> Shape | None:
    first = contents[0] if contents else None
    if first is None:
        return None
    operator = call.node.op
    if operator == "Prod":
        return (multiplied(first),)
    if operator == "Mul" and contents[1] is not None:
        return _each_multiplied(first, contents[1])
    if operator == "GatherV2" and contents[1] is not None:
        places = [place for place in contents[1] if isinstance(place, int)]
        return tuple(first[place] for place in places) if len(places) == len(contents[1]) else None
    if operator == "StridedSlice":
        return _sliced_content(call, first)
    return None


def _each_multiplied(one: Shape, other: Shape) -> Shape | None:
    longest = max(len(one), len(other))
    pairs = [sizes * longest if len(sizes) == 1 else sizes for sizes in (one, other)]
    return tuple(map(multiplied, zip(*pairs, strict=True))) if len(pairs[0]) == len(pairs[1]) else None


def _sliced_content(call: "Call", content: Shape) -> Shape | None:
    bounds = [facts.value for facts in call.inputs[1:4]]
    if any(bound is None or bound.size != 1 for bound in bounds):
        return None
    begin, end, step = (int(bound.flat[0]) for bound in bounds if bound is not None)
    if call.attribute("shrink_axis_mask", 0):
        return (content[begin],) if -len(content) <= begin < len(content) else None
    first = None if call.attribute("begin_mask", 0) else begin
    last = None if call.attribute("end_mask", 0) else end
    return content[first:last:step]
