"""Array memory that OpenVINO can read without a copy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class _WritableView:
    """A read-only array's memory declared writable: OpenVINO shares no other, and only reads its inputs."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, array: NDArray[Any]) -> None:
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}
        self.owner = array


def shareable(array: NDArray[Any]) -> NDArray[Any]:
    """An array whose memory OpenVINO can use as a tensor.

    Args:
        array: Any array, even a read-only one.

    Returns:
        An array with the same memory if it is contiguous, otherwise a copy.
    """
    contiguous = np.ascontiguousarray(array) if array.ndim else array
    if contiguous.flags.writeable:
        return contiguous
    # An empty array has no memory to share.
    return np.asarray(_WritableView(contiguous)) if contiguous.size else contiguous.copy()
