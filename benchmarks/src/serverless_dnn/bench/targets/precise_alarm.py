"""Timers of an event loop that ring to some microseconds: its own are rounded up to whole milliseconds."""

import asyncio
import ctypes
import heapq
import itertools
import os
import struct
import time
from collections.abc import Callable

# timerfd_create(2): Python has it from 3.13 on.
_TFD_NONBLOCK, _TFD_CLOEXEC, _TFD_TIMER_ABSTIME = os.O_NONBLOCK, os.O_CLOEXEC, 1


class PreciseAlarm:
    """Calls at given times, on the clock of ``time.monotonic_ns``; to be made inside of the event loop."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._set_time = libc.timerfd_settime
        self._file = libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._calls: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        asyncio.get_running_loop().add_reader(self._file, self._ring)

    def at(self, time_ns: int, call: Callable[[], None]) -> None:
        """Call then, or at once if it is past.

        Args:
            time_ns: When.
            call: What; those for the same time keep their order.
        """
        is_first = not self._calls or time_ns < self._calls[0][0]
        heapq.heappush(self._calls, (time_ns, next(self._numbers), call))
        if is_first:
            self._set()

    def _ring(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:
            # It had rung, and was set anew before it was read.
            return
        while self._calls and self._calls[0][0] <= time.monotonic_ns():
            heapq.heappop(self._calls)[2]()
        if self._calls:
            self._set()

    def _set(self) -> None:
        # A time of 0 would switch it off.
        seconds, nanoseconds = divmod(max(self._calls[0][0], 1), 10**9)
        once = struct.pack("qqqq", 0, 0, seconds, nanoseconds)
        if self._set_time(self._file, _TFD_TIMER_ABSTIME, once, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")
