"""How many positions a window has: the output sizes of convolutions and poolings."""

from typing import TYPE_CHECKING

from serverless_dnn.runtime.engines.openvino.proof.sizes import Shape, Size, changed, largest_of, smallest_of

if TYPE_CHECKING:
    from serverless_dnn.runtime.engines.openvino.proof.call import Call


def window_shape(call: "Call") -> Shape | None:
    """The shape of a convolution's or a pooling's output.

    Args:
        call: The operator; channels are the last dimension.

    Returns:
        The shape, with non-negative position counts; ``None`` if the ranks are unknown.
    """
    source, written = call.inputs[0].shape, call.written_shape()
    window, strides = _window(call), call.attribute("strides")
    if source is None or written is None or None in window or not len(window) == len(strides) == len(source):
        return None
    dilations = call.attribute("dilations") or (1,) * len(window)
    borders = call.attribute("explicit_paddings") or (0,) * (2 * len(window))
    is_same = call.attribute("padding") == b"SAME"
    places = []
    for axis, size in enumerate(source[1:-1], 1):
        around = borders[2 * axis] + borders[2 * axis + 1]
        covered = 1 if is_same else dilations[axis] * ((window[axis] or 1) - 1) + 1 - around
        places.append(None if size is None else _places(size, covered, strides[axis]))
    return (source[0], *places, written[-1])


def _window(call: "Call") -> tuple[int | None, ...]:
    if "Pool" in call.node.op:
        size: tuple[int, ...] = call.attribute("ksize")
        return size
    weights = call.inputs[1]
    return (1, *(weights.size_of(axis) for axis in range(len(weights.shape or ()) - 2)), 1)


def _places(size: Size, covered: int, stride: int) -> Size:
    """How many positions a window of ``covered`` elements has, ``stride`` apart."""
    if covered == stride == 1:
        return size
    first, last = ((length - covered) // stride + 1 for length in (smallest_of(size), largest_of(size)))
    if isinstance(size, int):
        return max(first, 0)
    return changed(size, f"places of {covered} by {stride} in ", max(first, 0), max(last, 0))
