"""Sizes of dimensions that depend on those of the inputs: products of a number and of named free sizes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

LARGEST = 1 << 23
"""No dimension of an input is larger: the guards see to it."""
MOST_ELEMENTS = 1 << 24
"""No input has more elements, and so no product of sizes of one input is larger; likewise."""


@dataclass(frozen=True)
class FreeSize:
    """A product of sizes that are not the same in every call; two of the same names and factor are equal.

    Attributes:
        names: What is multiplied, in order, each as often as it occurs.
        factor: The number that it is multiplied by.
        smallest: It is no smaller in any call.
        largest: It is no larger in any call.
    """

    names: tuple[str, ...]
    factor: int = 1
    smallest: int = field(default=1, compare=False)
    largest: int = field(default=LARGEST, compare=False)

    def __str__(self) -> str:
        return "*".join((*([str(self.factor)] if self.factor != 1 else []), *self.names))


Size = int | FreeSize
Shape = tuple[Size | None, ...]


def multiplied(sizes: Iterable[Size | None]) -> Size | None:
    """The product of sizes; ``None`` where one is not known.

    Args:
        sizes: The sizes.
    """
    factor, names, smallest, largest = 1, list[str](), 1, 1
    for size in sizes:
        if size is None:
            return None
        smallest, largest = smallest * smallest_of(size), largest * largest_of(size)
        if isinstance(size, FreeSize):
            factor, names = factor * size.factor, [*names, *size.names]
        else:
            factor *= size
    if not names or not factor:
        return factor
    return FreeSize(tuple(sorted(names)), factor, smallest, min(largest, factor * MOST_ELEMENTS))


def divided(whole: Size | None, part: Size | None) -> Size | None:
    """The size that times a part is a whole; ``None`` where there is none, or one is not known.

    Args:
        whole: The whole.
        part: The part.
    """
    if whole is None or part is None:
        return None
    factor, names = _split(whole)
    other_factor, other_names = _split(part)
    rest = Counter(names)
    rest.subtract(other_names)
    if not other_factor or factor % other_factor or min(rest.values(), default=0) < 0:
        return None
    left = tuple(sorted(rest.elements()))
    if not left:
        return factor // other_factor
    return FreeSize(left, factor // other_factor, min(1, smallest_of(whole)), largest_of(whole))


def changed(size: Size, how: str, smallest: int, largest: int) -> FreeSize:
    """A size that is computed of another one; the same way of the same size gives the same size.

    Args:
        size: The other one.
        how: How it is computed.
        smallest: What it is at least.
        largest: What it is at most.
    """
    return FreeSize((f"{how}({size})",), 1, smallest, largest)


def added(sizes: Sequence[Size | None]) -> Size | None:
    """The sum of sizes; ``None`` where one is not known.

    Args:
        sizes: The sizes.
    """
    known = [size for size in sizes if size is not None]
    if len(known) != len(sizes):
        return None
    numbers = sum(size for size in known if isinstance(size, int))
    free = sorted(str(size) for size in known if not isinstance(size, int))
    if not free:
        return numbers
    if len(free) == 1 and not numbers:
        return next(size for size in known if not isinstance(size, int))
    return FreeSize(("+".join((*free, str(numbers))),), 1, sum(map(smallest_of, known)), sum(map(largest_of, known)))


def broadcast(sizes: Sequence[Size | None]) -> Size | None:
    """The size of a dimension that several are stretched to; ``None`` where they may not fit each other.

    Args:
        sizes: The dimension's size in each of them.
    """
    different = set(sizes) - {1}
    if len(different) > 1:
        return None
    return different.pop() if different else 1


def smallest_of(size: Size) -> int:
    """What a size is at least.

    Args:
        size: The size.
    """
    return size.smallest if isinstance(size, FreeSize) else size


def largest_of(size: Size) -> int:
    """What a size is at most.

    Args:
        size: The size.
    """
    return size.largest if isinstance(size, FreeSize) else size


def is_never_empty(shape: Shape | None) -> bool:
    """Whether a tensor of this shape has elements in every call.

    Args:
        shape: The shape.
    """
    return shape is not None and all(size is not None and smallest_of(size) > 0 for size in shape)


def total(shape: Shape | None) -> Size | None:
    """How many elements a tensor of this shape has; ``None`` where that is not known.

    Args:
        shape: The shape.
    """
    return None if shape is None else multiplied(shape)


def _split(size: Size) -> tuple[int, tuple[str, ...]]:
    return (size.factor, size.names) if isinstance(size, FreeSize) else (size, ())
