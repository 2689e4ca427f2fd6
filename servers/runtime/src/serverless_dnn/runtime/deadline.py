"""Until when a call may run, and whether its caller still waits for it."""

import time

from serverless_dnn.runtime.errors import CancelledError, DeadlineExceededError


class Deadline:
    """One call's time. Any thread may ask it, and any thread may cancel the call.

    Args:
        at_ns: When the call's time ends, on the clock of ``time.perf_counter_ns``; ``None`` never ends it.
    """

    __slots__ = ("at_ns", "cancelled")

    def __init__(self, at_ns: int | None = None) -> None:
        self.at_ns = at_ns
        self.cancelled = False

    @classmethod
    def after(cls, timeout_s: float | None) -> "Deadline":
        """A deadline so many seconds from now.

        Args:
            timeout_s: Seconds; ``None`` never ends it.

        Returns:
            The deadline.
        """
        return cls(None if timeout_s is None else time.perf_counter_ns() + int(timeout_s * 1e9))

    def cancel(self) -> None:
        """Note that the caller waits no longer."""
        self.cancelled = True

    def left_s(self) -> float | None:
        """Seconds that are left, at least 0; ``None`` without an end."""
        return None if self.at_ns is None else max(0.0, (self.at_ns - time.perf_counter_ns()) / 1e9)

    def check(self, before: str) -> None:
        """Go on only if somebody still waits.

        Args:
            before: What would come next, for the error's text.

        Raises:
            CancelledError: The call was cancelled.
            DeadlineExceededError: Its time has ended.
        """
        if self.cancelled:
            raise CancelledError(f"the call was cancelled before {before}")
        if self.at_ns is not None and self.at_ns <= time.perf_counter_ns():
            raise DeadlineExceededError(f"the deadline passed before {before}")


FOREVER = Deadline()
"""For calls that nobody times or cancels."""
