"""One instance of a simulation, which may have several requests at a time."""

from collections import deque
from heapq import heappop, heappush


class Instance:
    """An instance that computes requests at once, each at the same speed; the others wait inside it, in order.

    Work is counted in *progress*: how much each request that was there all the time has been computed. A request that
    begins at one progress ends at that plus what it needs, whatever the speed was in between, so that a change of speed
    changes no request.

    Args:
        number: Its number.
        slowdowns: How many times as long requests take when so many are computed at once; index 0 is never used.
        is_ready: Whether it runs already, and has answered before.
    """

    __slots__ = (
        "_changed_s",
        "_computed",
        "_inside",
        "_progress_s",
        "_slowdowns",
        "is_new",
        "is_ready",
        "load",
        "number",
        "seated",
        "version",
    )

    def __init__(self, number: int, slowdowns: list[float], *, is_ready: bool) -> None:
        self.number = number
        self.is_ready = is_ready
        self.is_new = not is_ready
        self.load = 0
        # Requests that have a place in it and wait until it has started.
        self.seated: list[int] = []
        # Changes with what is computed: the end that was announced for an older version is void.
        self.version = 0
        self._slowdowns = slowdowns
        self._computed: list[tuple[float, int]] = []
        self._inside: deque[tuple[int, float]] = deque()
        self._progress_s = 0.0
        self._changed_s = 0.0

    @property
    def computing(self) -> int:
        """How many requests it computes."""
        return len(self._computed)

    def add(self, index: int, needed_s: float, now_s: float) -> None:
        """Give it a request.

        Args:
            index: The request.
            needed_s: How long it takes when it is alone.
            now_s: The time.
        """
        if len(self._computed) < len(self._slowdowns) - 1:
            self._compute(index, needed_s, now_s)
        else:
            self._inside.append((index, needed_s))

    def next_end_s(self, now_s: float) -> float:
        """When the next request ends, if nothing changes; it must compute one.

        Args:
            now_s: The time.
        """
        self._advance(now_s)
        left_s = max(0.0, self._computed[0][0] - self._progress_s)
        return now_s + left_s * self._slowdowns[len(self._computed)]

    def finish(self, now_s: float) -> int:
        """End the next request, and begin one that waits inside.

        Args:
            now_s: The time, as announced by ``next_end_s``.

        Returns:
            The request.
        """
        self._advance(now_s)
        # Rounding must not leave a rest that no clock can count.
        self._progress_s, index = heappop(self._computed)
        self.version += 1
        if self._inside:
            self._compute(*self._inside.popleft(), now_s)
        return index

    def _compute(self, index: int, needed_s: float, now_s: float) -> None:
        self._advance(now_s)
        heappush(self._computed, (self._progress_s + needed_s, index))
        self.version += 1

    def _advance(self, now_s: float) -> None:
        if self._computed:
            self._progress_s += (now_s - self._changed_s) / self._slowdowns[len(self._computed)]
        self._changed_s = now_s
