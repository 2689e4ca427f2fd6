"""Checks on every call's inputs that ensure OpenVINO's result equals TensorFlow's."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime.engines.openvino.proof.facts import Number
from serverless_dnn.runtime.engines.openvino.proof.sizes import LARGEST, MOST_ELEMENTS
from serverless_dnn.runtime.errors import InvalidArgumentError


@dataclass(frozen=True)
class Guard:
    """The values of an input for which results are proven.

    Attributes:
        alias: The input.
        low: The smallest.
        high: The largest.
        rows: If the values are used directly as indices, the number of rows. Other values are then the caller's
            mistake, with TensorFlow's own error; if not set, TensorFlow handles the call.
        free: Its free dimensions except the first, with the smallest size of each; a smaller one is the caller's
            mistake.
        largest: The upper bound of those sizes.
    """

    alias: str
    low: Number
    high: Number
    rows: int | None = None
    free: tuple[tuple[int, int], ...] = ()
    largest: int = LARGEST

    def objection(self, array: NDArray[Any]) -> str:
        """Why OpenVINO must not handle a call.

        Args:
            array: The input.

        Returns:
            The reason; empty if there is none.

        Raises:
            InvalidArgumentError: The values are indices and one is out of range, with TensorFlow's message; or a size
                is too small for the model.
        """
        if (objection := self._shape_objection(array)) or array.dtype.kind == "b":
            return objection
        if self._are_small_enough(array):
            return ""
        low, high = (float(value) if array.dtype.kind == "f" else value for value in (array.min(), array.max()))
        # A comparison with NaN is false.
        if low >= self.low and high <= self.high:
            return ""
        if self.rows is not None:
            raise self._out_of_range(array, self.rows)
        if math.isnan(low):
            return f"input {self.alias} holds NaN"
        return f"input {self.alias} holds values from {low} to {high}, outside {self.low} to {self.high}"

    def _shape_objection(self, array: NDArray[Any]) -> str:
        if not array.size and max(array.shape) > LARGEST:
            # Loops over such a dimension would run for hours with nothing to do.
            raise InvalidArgumentError(f"input {self.alias} has the shape {list(array.shape)}, and so no elements")
        if not array.size:
            return f"input {self.alias} has no elements"
        if array.size > MOST_ELEMENTS or max(array.shape, default=0) > LARGEST:
            return f"input {self.alias} has the shape {list(array.shape)}, which is larger than what is proven"
        for axis, smallest in self.free:
            if array.shape[axis] < smallest:
                raise InvalidArgumentError(
                    f"input {self.alias} has the shape {list(array.shape)}, and the model's windows, slices or borders "
                    f"need dimension {axis} to be at least {smallest}"
                )
            if array.shape[axis] > self.largest:
                return (
                    f"input {self.alias} has the shape {list(array.shape)}, and dimension {axis} is proven up to "
                    f"{self.largest}"
                )
        return ""

    def _are_small_enough(self, array: NDArray[Any]) -> bool:
        """Whether the sum of squares proves it, which needs one pass over the numbers instead of two."""
        if array.dtype != np.float32 or not array.flags.c_contiguous or self.low != -self.high:
            return False
        numbers = array.reshape(-1)
        # NaN and infinities make it NaN or infinite, and a comparison with NaN is false.
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.dot(numbers, numbers) <= self.high * self.high)

    def _out_of_range(self, array: NDArray[Any], rows: int) -> InvalidArgumentError:
        place = np.argwhere(~((array >= self.low) & (array <= self.high)))[0]
        where = f"[{','.join(map(str, place))}]" if array.ndim else ""
        # As the kernel sees it.
        index = int(array[tuple(place)])
        return InvalidArgumentError(f"indices{where} = {index} is not in [0, {rows})")


def first_objection(
    guards: Iterable[Guard],
    equal: Iterable[Iterable[tuple[str, int]]],
    inputs: Mapping[str, NDArray[Any]],
) -> str:
    """Why OpenVINO must not handle a call.

    Args:
        guards: The guards of its signature.
        equal: Groups of input dimensions, by name and position, whose sizes must be equal.
        inputs: Its inputs.

    Returns:
        The first reason; empty if there is none.

    Raises:
        InvalidArgumentError: An index is out of range, with TensorFlow's message.
    """
    for guard in guards:
        if objection := guard.objection(inputs[guard.alias]):
            return objection
    for group in equal:
        if len({inputs[alias].shape[axis] for alias, axis in group}) > 1:
            found = ", ".join(f"{alias} {list(inputs[alias].shape)}" for alias, _ in group)
            return f"the sizes of inputs differ where they are proven to be equal: {found}"
    return ""
