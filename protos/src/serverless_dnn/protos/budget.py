"""A memory budget for decoding one message: a message of a few bytes can ask for any amount."""

from serverless_dnn.protos.dtypes import TensorCodecError


class DecodeBudget:
    """The memory left for decoding one message.

    Args:
        max_bytes: The total budget.

    Attributes:
        max_bytes: The total budget.
        left_bytes: The remaining budget.
    """

    __slots__ = ("left_bytes", "max_bytes")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = self.left_bytes = max_bytes

    def spend(self, size_bytes: int, what: str) -> None:
        """Charge bytes before they are allocated.

        Args:
            size_bytes: The number of bytes.
            what: What they are for, as the error's subject.

        Raises:
            TensorCodecError: The budget is exceeded.
        """
        if size_bytes > self.left_bytes:
            left = "" if self.left_bytes == self.max_bytes else f"{max(0, self.left_bytes)} bytes left of the "
            raise TensorCodecError(f"{what} takes {size_bytes} bytes, more than the {left}{self.max_bytes} allowed")
        self.left_bytes -= size_bytes
        self.hold(size_bytes)

    def hold(self, size_bytes: int) -> None:
        """Hook for memory the message uses besides what is spent; not counted here.

        Args:
            size_bytes: The number of bytes.
        """
