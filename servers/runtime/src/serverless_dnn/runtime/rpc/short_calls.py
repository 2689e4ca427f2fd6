"""Which calls the event loop works on itself, instead of handing them to a thread and waiting for it.

Two hand-overs cost a tenth of a millisecond: nothing to a model of 4 ms, as much as all the rest to one of 0.05 ms.
But what the loop works on keeps it from every other call. So it does so only for calls whose kind has proved short,
and only while no other call is there or has just been: several senders are served faster by threads.
"""

import time
from collections.abc import Callable, Hashable

# The loop is away as long, several times over, for every message of 5 MB. A kind that proved short can be longer once,
# and has to prove it anew then.
_SHORT_NS = 500_000
# So many in a row must have been short.
_PROOFS = 16
# A lone sender needs longer than this to read an answer and send the next request.
_ALONE_NS = 100_000
_MANY_KINDS = 256


class ShortCalls:
    """What is known of the calls of one event loop; threads may tell of a call's end.

    Args:
        clock: A monotonic clock in nanoseconds.
    """

    def __init__(self, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock = clock
        self._short_in_a_row: dict[Hashable, int] = {}
        self._last_end_ns = clock()

    def stays(self, kind: Hashable, others_in_work: int) -> bool:
        """Whether the loop should work on a call itself.

        Args:
            kind: Calls of one kind take about as long.
            others_in_work: How many calls are in work or waiting.

        Returns:
            Whether calls of its kind are short, and it is alone.
        """
        return (
            not others_in_work
            and self._short_in_a_row.get(kind, 0) >= _PROOFS
            and self._clock() - self._last_end_ns > _ALONE_NS
        )

    def ended(self, kind: Hashable, begin_ns: int) -> None:
        """Note a call's end.

        Args:
            kind: Its kind.
            begin_ns: When the work on it began.
        """
        self._last_end_ns = now_ns = self._clock()
        if now_ns - begin_ns > _SHORT_NS:
            self._short_in_a_row.pop(kind, None)
            return
        if len(self._short_in_a_row) >= _MANY_KINDS:
            self._short_in_a_row.clear()
        self._short_in_a_row[kind] = self._short_in_a_row.get(kind, 0) + 1
