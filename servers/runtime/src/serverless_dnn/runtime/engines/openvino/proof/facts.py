"""What is known of a tensor before any call: its type, the bounds of its values, whether they depend on inputs."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime.engines.openvino.proof.sizes import Shape

Number = int | float


@dataclass(frozen=True, eq=False, slots=True)
class Facts:
    """What is known of a tensor, for all calls that pass the guards.

    Attributes:
        data_type: Its ``DataType`` number; for a list of tensors, that of its elements.
        shape: Its sizes, possibly products of the inputs' free sizes, ``None`` where unknown; ``None`` as a whole if
            the rank is unknown.
        low: No value is smaller.
        high: No value is larger.
        finite: No value is NaN or infinite.
        number: No value is NaN.
        varies: Its values depend on input values, not only on input shapes and weights.
        fixed: Its values are the same in every call: they do not depend on input shapes either.
        exact: Its values equal TensorFlow's bit for bit, so that rounding them gives TensorFlow's integers.
        filled: It has elements, regardless of the inputs' shapes.
        value: Its value, if it is a small constant.
        content: For a vector of sizes or a single size, the sizes themselves.
        alias: The model input it is; empty for other tensors.
        operator: The operator that computes it.
        inputs: That operator's inputs.
        unproven: An upstream operator is not on the list, so nothing is known.
    """

    data_type: int
    shape: Shape | None = None
    low: Number = -math.inf
    high: Number = math.inf
    finite: bool = True
    number: bool = True
    varies: bool = False
    fixed: bool = True
    exact: bool = True
    filled: bool = True
    value: NDArray[Any] | None = field(default=None, repr=False)
    content: Shape | None = None
    alias: str = ""
    operator: str = ""
    inputs: tuple["Facts", ...] = field(default=(), repr=False)
    unproven: bool = False

    @property
    def within(self) -> tuple[Number, Number]:
        """``low`` and ``high``."""
        return self.low, self.high

    @property
    def scalar(self) -> Number | None:
        """The value of a constant whose elements are all equal; ``None`` for any other tensor."""
        if self.value is None or not self.value.size or self.value.dtype.kind not in "fiub":
            return None
        first = self.value.flat[0]
        return first.item() if (self.value == first).all() else None

    def size_of(self, axis: int) -> int | None:
        """The size of a dimension, if it is the same in every call.

        Args:
            axis: The dimension, counted from the end if negative.
        """
        if self.shape is None or not -len(self.shape) <= axis < len(self.shape):
            return None
        size = self.shape[axis]
        return size if isinstance(size, int) else None


UNKNOWN = Facts(0, finite=False, number=False, varies=True, fixed=False, exact=False, filled=False, unproven=True)


def constant_facts(data_type: int, value: NDArray[Any]) -> Facts:
    """The facts of a constant.

    Args:
        data_type: The number of its ``DataType``.
        value: Its value.
    """
    content = tuple(value.ravel().tolist()) if value.dtype.kind in "iu" and value.ndim < 2 else None
    numeric = value.dtype.kind in "fiub" or value.dtype.name == "bfloat16"
    numbers = value.astype(np.float64) if value.dtype.name == "bfloat16" else value
    low, high = (-math.inf, math.inf)
    finite = number = True
    if numeric and numbers.size:
        low, high = numbers.min().item(), numbers.max().item()
        finite, number = math.isfinite(low) and math.isfinite(high), not math.isnan(low)
    return Facts(
        data_type, value.shape, low, high, finite, number, filled=bool(value.size), value=value, content=content
    )


def joined(facts: tuple[Facts, ...] | list[Facts]) -> tuple[Number, Number]:
    """Bounds that hold for the values of all given tensors.

    Args:
        facts: At least one tensor.
    """
    return min(fact.low for fact in facts), max(fact.high for fact in facts)


def product(left: tuple[Number, Number], right: tuple[Number, Number]) -> tuple[Number, Number]:
    """Bounds of the product of two values.

    Args:
        left: The bounds of one.
        right: The bounds of the other.
    """
    # Zero times an unknown bound is zero, because the bound represents a finite value.
    corners = [0 if 0 in (a, b) else a * b for a in left for b in right]
    return min(corners), max(corners)
