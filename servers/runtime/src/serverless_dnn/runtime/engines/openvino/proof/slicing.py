"""Map each part of a StridedSlice to the dimension it applies to.

The masks are described at https://www.tensorflow.org/api_docs/python/tf/strided_slice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serverless_dnn.runtime.engines.openvino.proof.sizes import FreeSize, Shape, Size, smallest_of

if TYPE_CHECKING:
    from serverless_dnn.runtime.engines.openvino.proof.call import Call


@dataclass(frozen=True)
class _Part:
    """What a StridedSlice does to one dimension.

    Attributes:
        axis: The dimension of the sliced tensor; ``None`` for a new one.
        place: The position of begin, end and step in their lists; ``None`` for a dimension taken whole.
        is_one: Only one element is taken, and the dimension is dropped.
    """

    axis: int | None
    place: int | None = None
    is_one: bool = False


def sliced_shape(call: "Call") -> Shape | None:
    """The resulting shape; sizes that cannot be traced are ``None``.

    Args:
        call: A StridedSlice.
    """
    shape = call.inputs[0].shape
    if shape is None or call.inputs[1].size_of(0) is None:
        return None
    return tuple(_left(call, part, shape) for part in _parts(call, shape) if not part.is_one)


def takes_what_is_there(call: "Call") -> bool:
    """Whether every dimension from which a single element is taken has that element.

    Args:
        call: A StridedSlice.
    """
    shape, begin = call.inputs[0].shape, call.inputs[1]
    if not call.attribute("shrink_axis_mask", 0):
        return True
    if shape is None or begin.value is None:
        return False
    for part in _parts(call, shape):
        if part.is_one and part.axis is not None and part.place is not None:
            first, size = int(begin.value.flat[part.place]), shape[part.axis]
            length = 0 if size is None else smallest_of(size)
            if not -length <= first < length:
                return False
    return True


def _parts(call: "Call", shape: Shape) -> Iterator[_Part]:
    listed = call.inputs[1].size_of(0) or 0
    ellipsis, new = call.attribute("ellipsis_mask", 0), call.attribute("new_axis_mask", 0)
    shrunk = call.attribute("shrink_axis_mask", 0)
    named = sum(not (ellipsis | new) >> place & 1 for place in range(listed))
    axis = 0
    for place in range(listed):
        if ellipsis >> place & 1:
            for _ in range(len(shape) - named):
                yield _Part(axis)
                axis += 1
        elif new >> place & 1:
            yield _Part(None)
        else:
            yield _Part(axis, place, bool(shrunk >> place & 1))
            axis += 1
    for rest in range(axis, len(shape)):
        yield _Part(rest)


def _left(call: "Call", part: _Part, shape: Shape) -> Size | None:
    if part.axis is None:
        return 1
    size = shape[part.axis]
    if part.place is None:
        return size
    begin, end, steps = call.inputs[1].value, call.inputs[2].content, call.inputs[3].value
    from_start = call.attribute("begin_mask", 0) >> part.place & 1
    to_end = call.attribute("end_mask", 0) >> part.place & 1
    step = None if steps is None else int(steps.flat[part.place])
    if from_start and to_end and step in (1, -1):
        return size
    from_start = from_start or (begin is not None and int(begin.flat[part.place]) == 0)
    is_first_ones = from_start and not to_end and step == 1
    return _first_ones(call, size, end[part.place]) if is_first_ones and end is not None else None


def _first_ones(call: "Call", size: Size | None, count: Size | None) -> Size | None:
    """How many elements are left when taking as many of the first ones as another dimension has."""
    if not isinstance(count, FreeSize) or not isinstance(size, int):
        return None
    if count.largest <= size:
        return count
    call.limits.append(size)
    return None
