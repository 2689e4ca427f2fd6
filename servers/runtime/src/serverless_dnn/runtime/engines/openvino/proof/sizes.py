"""Dimension sizes that depend on those of the inputs: products of a number and named free sizes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

LARGEST = 1 << 23
"""The maximum size of an input dimension, enforced by the guards."""
MOST_ELEMENTS = 1 << 24
"""The maximum number of elements of an input, and so of any product of one input's sizes; likewise enforced."""


@dataclass(frozen=True)
class FreeSize:
    """A product of sizes that vary between calls; two with the same names and factor are equal.

    Attributes:
        names: The sizes multiplied, in order, repeated as often as they occur.
        factor: The constant factor.
        smallest: Its lower bound over all calls.
        largest: Its upper bound over all calls.
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
    """The product of sizes; ``None`` if one is unknown.

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
    """The quotient of a whole and a part; ``None`` if there is none, or one is unknown.

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
    """A size computed from another one; the same computation on the same size gives the same size.

    Args:
        size: The other size.
        how: How it is computed.
        smallest: Its lower bound.
        largest: Its upper bound.
    """
    return FreeSize((f"{how}({size})",), 1, smallest, largest)


def added(sizes: Sequence[Size | None]) -> Size | None:
    """The sum of sizes; ``None`` if one is unknown.

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
    """The size to which dimensions are broadcast; ``None`` if they may be incompatible.

    Args:
        sizes: The dimension's size in each of them.
    """
    different = set(sizes) - {1}
    if len(different) > 1:
        return None
    return different.pop() if different else 1


def smallest_of(size: Size) -> int:
    """A size's lower bound.

    Args:
        size: The size.
    """
    return size.smallest if isinstance(size, FreeSize) else size


def largest_of(size: Size) -> int:
    """A size's upper bound.

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
    """The number of elements of a tensor of this shape; ``None`` if unknown.

    Args:
        shape: The shape.
    """
    return None if shape is None else multiplied(shape)


def _split(size: Size) -> tuple[int, tuple[str, ...]]:
    return (size.factor, size.names) if isinstance(size, FreeSize) else (size, ())
