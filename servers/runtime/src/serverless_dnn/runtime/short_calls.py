"""Which calls are so short that handing them to a thread and back would take longer than they do.

A null model's call takes 0.1 ms, and so do the two hand-overs. Whether a call is short is known from those before it:
the same method with as many bytes is, as good as always, the same model with the same shapes.
"""

import threading
from collections.abc import Hashable

# Of the calling thread's CPU: an event loop is held up this long by other callers' messages as well.
_SHORT_CPU_NS = 300_000
# Of the clock: more means that the call waited, for an engine's threads or for another process.
_SHORT_WALL_NS = 2_000_000
_SHORT_IN_A_ROW = 8
# After a call that was not short and held up the event loop, it takes longer to be trusted again.
_PENALTY = 200
_MAX_KINDS = 1024


class ShortCalls:
    """Remembers how long calls of each kind took; any thread may tell it."""

    def __init__(self) -> None:
        self._streaks: dict[Hashable, int] = {}
        self._changing = threading.Lock()

    def is_short(self, kind: Hashable) -> bool:
        """Whether the next call of a kind will be short.

        Args:
            kind: What calls of about the same length have in common.

        Returns:
            True after enough short ones in a row.
        """
        return self._streaks.get(kind, 0) >= _SHORT_IN_A_ROW

    def note(self, kind: Hashable, cpu_ns: int, wall_ns: int) -> None:
        """Remember a call.

        Args:
            kind: Its kind.
            cpu_ns: CPU time of the thread that worked on it.
            wall_ns: Time by the clock.
        """
        short = cpu_ns <= _SHORT_CPU_NS and wall_ns <= _SHORT_WALL_NS
        with self._changing:
            if len(self._streaks) >= _MAX_KINDS and kind not in self._streaks:
                # Callers choose how many bytes they send, and must not choose how many kinds are kept.
                self._streaks.clear()
            streak = self._streaks.get(kind, 0)
            if short:
                self._streaks[kind] = min(streak + 1, _SHORT_IN_A_ROW)
            else:
                self._streaks[kind] = -_PENALTY if streak >= _SHORT_IN_A_ROW else min(streak, 0)
