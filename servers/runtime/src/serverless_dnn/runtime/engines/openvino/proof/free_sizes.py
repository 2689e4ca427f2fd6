"""Assumptions about the sizes that a signature leaves open."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from serverless_dnn.runtime.engines.openvino.proof.sizes import LARGEST, MOST_ELEMENTS, FreeSize, Shape
from serverless_dnn.runtime.saved_model.signature import TensorSpec


@dataclass(frozen=True)
class FreeSizes:
    """Assumptions about the free sizes of a signature's inputs.

    Attributes:
        smallest: No free size is smaller, except in the first dimension.
        smaller: Sizes that may be smaller than that, by input name and position.
        largest: No free size is larger, except in the first dimension.
        shared: First dimensions are equal in all inputs, others at the same position in inputs of equal rank.
    """

    smallest: int = 1
    smaller: Mapping[tuple[str, int], int] = field(default_factory=dict)
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

    def at_least(self, spec: TensorSpec, axis: int) -> int:
        """The lower bound of a free size.

        Args:
            spec: The input.
            axis: The dimension.
        """
        return self.smaller.get((spec.name, axis), self.smallest) if axis else 1

    def _named(self, spec: TensorSpec, axis: int) -> FreeSize:
        shape = spec.shape or ()
        name = f"{spec.name}.{axis}" if not self.shared else f"{len(shape)}.{axis}" if axis else "batch"
        # The more elements the other dimensions have, the smaller this one must be.
        largest = min(LARGEST, MOST_ELEMENTS // math.prod(size or 1 for size in shape))
        return FreeSize((name,), 1, self.at_least(spec, axis), min(largest, self.largest) if axis else largest)
