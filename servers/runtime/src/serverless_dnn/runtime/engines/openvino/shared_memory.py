"""Memory of arrays that OpenVINO reads without a copy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class _WritableView:
    """The memory of a read-only array, said to be writable: OpenVINO shares no other, and only reads its inputs."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, array: NDArray[Any]) -> None:
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}
        self.owner = array


def shareable(array: NDArray[Any]) -> NDArray[Any]:
    """An array whose memory OpenVINO takes as a tensor's.

    Args:
        array: Any array, also one that is read-only.

    Returns:
        One of the same memory where that is contiguous; else a copy.
    """
    contiguous = np.ascontiguousarray(array) if array.ndim else array
    if contiguous.flags.writeable:
        return contiguous
    # Without elements there is no memory to share.
    return np.asarray(_WritableView(contiguous)) if contiguous.size else contiguous.copy()
