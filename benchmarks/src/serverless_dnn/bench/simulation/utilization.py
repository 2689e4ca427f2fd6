"""The autoscaler that keeps instances below a share of what they can take."""

import math
from collections import deque

from serverless_dnn.bench.simulation.behaviour import Behaviour
from serverless_dnn.bench.simulation.scaling import UtilizationTarget


class Autoscaler:
    """Averages the requests that are there and the CPU time that they take, and tells how many instances that needs.

    Args:
        target: Its rule.
        requests_per_instance: How many requests an instance takes at a time.
        behaviour: How much CPU a request takes.
    """

    def __init__(self, target: UtilizationTarget, requests_per_instance: int, behaviour: Behaviour) -> None:
        self._target = target
        self._places, self._cpus = requests_per_instance, behaviour.cpus
        self._cpus_per_request = behaviour.cpus_per_request
        self._in_flight = 0
        self._changed_s = 0.0
        self._request_s = self._cpu_s = 0.0
        # Time, and both sums until then.
        self._looks: deque[tuple[float, float, float]] = deque([(0.0, 0.0, 0.0)])

    def request_came(self, now_s: float) -> None:
        """Note that a request came.

        Args:
            now_s: The time.
        """
        self._sum_until(now_s)
        self._in_flight += 1

    def request_went(self, now_s: float, service_s: float) -> None:
        """Note that a request was answered or given up.

        Args:
            now_s: The time.
            service_s: How long it takes alone; 0 if it was given up.
        """
        self._sum_until(now_s)
        self._in_flight -= 1
        self._cpu_s += service_s * self._cpus_per_request

    def wanted(self, now_s: float) -> int:
        """How many instances the target wants; to be asked when a request comes, for in between the load only falls.

        Args:
            now_s: The time.

        Returns:
            The number; 0 if it was looked at a moment ago.
        """
        if now_s - self._looks[-1][0] < self._target.every_s:
            return 0
        self._sum_until(now_s)
        while len(self._looks) > 1 and self._looks[1][0] <= now_s - self._target.window_s:
            self._looks.popleft()
        since_s, request_s, cpu_s = self._looks[0]
        self._looks.append((now_s, self._request_s, self._cpu_s))
        places = (self._request_s - request_s) / self._places
        cpus = (self._cpu_s - cpu_s) / self._cpus
        return math.ceil(max(places, cpus) / (now_s - since_s) / self._target.share)

    def _sum_until(self, now_s: float) -> None:
        self._request_s += self._in_flight * (now_s - self._changed_s)
        self._changed_s = now_s
