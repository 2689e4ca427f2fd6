"""How much memory one message may take when it is decoded: a message of a few bytes can ask for any amount."""

from serverless_dnn.protos.dtypes import TensorCodecError


class DecodeBudget:
    """The bytes that may still be taken for one message.

    Args:
        max_bytes: All that it may take.

    Attributes:
        max_bytes: All that it may take.
        left_bytes: What is left of it.
    """

    __slots__ = ("left_bytes", "max_bytes")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = self.left_bytes = max_bytes

    def spend(self, size_bytes: int, what: str) -> None:
        """Take bytes, before they are taken from the system.

        Args:
            size_bytes: How many.
            what: What for, as the error's subject.

        Raises:
            TensorCodecError: More than are left.
        """
        if size_bytes > self.left_bytes:
            left = "" if self.left_bytes == self.max_bytes else f"{max(0, self.left_bytes)} bytes left of the "
            raise TensorCodecError(f"{what} takes {size_bytes} bytes, more than the {left}{self.max_bytes} allowed")
        self.left_bytes -= size_bytes
        self.hold(size_bytes)

    def hold(self, size_bytes: int) -> None:
        """Be told of memory that the message takes besides what is spent; counts nothing here.

        Args:
            size_bytes: How much.
        """
