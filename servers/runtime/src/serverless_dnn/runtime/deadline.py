"""A call's deadline, and whether its caller is still waiting."""

import time

from serverless_dnn.runtime.errors import CancelledError, DeadlineExceededError


class Deadline:
    """One call's deadline. Any thread may query it, and any thread may cancel the call.

    Args:
        at_ns: When the deadline passes, on the clock of ``time.perf_counter_ns``; ``None`` means no deadline.
    """

    __slots__ = ("at_ns", "cancelled")

    def __init__(self, at_ns: int | None = None) -> None:
        self.at_ns = at_ns
        self.cancelled = False

    @classmethod
    def after(cls, timeout_s: float | None) -> "Deadline":
        """A deadline a number of seconds from now.

        Args:
            timeout_s: Seconds; ``None`` means no deadline.

        Returns:
            The deadline.
        """
        return cls(None if timeout_s is None else time.perf_counter_ns() + int(timeout_s * 1e9))

    def cancel(self) -> None:
        """Note that the caller is no longer waiting."""
        self.cancelled = True

    def left_s(self) -> float | None:
        """Seconds left, at least 0; ``None`` if there is no deadline."""
        return None if self.at_ns is None else max(0.0, (self.at_ns - time.perf_counter_ns()) / 1e9)

    def check(self, before: str) -> None:
        """Continue only if the caller is still waiting.

        Args:
            before: The next step, for the error message.

        Raises:
            CancelledError: The call was cancelled.
            DeadlineExceededError: The deadline has passed.
        """
        if self.cancelled:
            raise CancelledError(f"the call was cancelled before {before}")
        if self.at_ns is not None and self.at_ns <= time.perf_counter_ns():
            raise DeadlineExceededError(f"the deadline passed before {before}")


FOREVER = Deadline()
"""For calls without a deadline that are never cancelled."""
