"""Instances that take several requests, or that are started ahead of them: simulated event by event, with SimPy."""

import math
from collections import deque
from collections.abc import Callable, Generator

import simpy

from serverless_dnn.bench.simulation.behaviour import Behaviour, Draws, Floats
from serverless_dnn.bench.simulation.instance import Instance
from serverless_dnn.bench.simulation.outcome import Outcome, Recorder
from serverless_dnn.bench.simulation.scaling import Scaling, TokenBucket, UtilizationTarget
from serverless_dnn.bench.simulation.utilization import Autoscaler


def serve_shared(
    arrivals_s: Floats, draws: Draws, scaling: Scaling, behaviour: Behaviour, warm_instances: int = 0
) -> Outcome:
    """Simulate any platform.

    Args:
        arrivals_s: When each request is due, in order.
        draws: What each would take.
        scaling: The platform's rules.
        behaviour: How requests on one instance slow one another down.
        warm_instances: How many instances run at the start, those that are kept included.

    Returns:
        What became of them.
    """
    return _Platform(arrivals_s, draws, scaling, behaviour, warm_instances).run()


class _Platform:
    """A platform's front door and its instances."""

    def __init__(
        self, arrivals_s: Floats, draws: Draws, scaling: Scaling, behaviour: Behaviour, warm_instances: int
    ) -> None:
        self._arrivals_s: list[float] = arrivals_s.tolist()
        self._service_s, self._first_s = draws.service_s.tolist(), draws.first_service_s.tolist()
        self._start_s, self._billed_s = draws.start_s.tolist(), draws.start_billed_s.tolist()
        self._scaling, self._places = scaling, scaling.requests_per_instance
        self._recorder = Recorder(arrivals_s, draws)
        self._starts, self._requests = TokenBucket(scaling.start_rate), TokenBucket(scaling.request_rate)
        self._environment = simpy.Environment()
        workers = min(behaviour.workers or self._places, self._places)
        self._slowdowns = [1.0, *(behaviour.slowdown(computed) for computed in range(1, workers + 1))]
        target = scaling.target or UtilizationTarget(share=math.inf)
        self._autoscaler = Autoscaler(target, self._places, behaviour)
        # Those with a free place, by how many requests they have; in each, the one used last comes last.
        self._running: list[dict[Instance, None]] = [{} for _ in range(self._places)]
        self._starting: list[dict[Instance, None]] = [{} for _ in range(self._places)]
        self._order = range(self._places) if scaling.spreads else range(self._places - 1, -1, -1)
        # In the order in which they became idle.
        self._idle_since_s: dict[Instance, float] = {}
        self._alive = self._starting_places = 0
        # Requests that wait for a place.
        self._pending: deque[int] = deque()
        for _ in range(max(scaling.kept_instances, min(warm_instances, scaling.max_instances))):
            instance = Instance(self._recorder.add_instance(0.0, 0.0, 0.0), self._slowdowns, is_ready=True)
            self._alive += 1
            self._running[0][instance] = None
            self._idle_since_s[instance] = 0.0

    def run(self) -> Outcome:
        """Run until every request is answered or refused."""
        self._environment.process(self._arrive())
        self._environment.run()
        return self._recorder.outcome()

    def _arrive(self) -> Generator[simpy.Event, None, None]:
        environment = self._environment
        for index, due_s in enumerate(self._arrivals_s):
            if due_s > environment.now:
                yield environment.timeout(due_s - environment.now)
            self._take(index, due_s)

    def _take(self, index: int, now_s: float) -> None:
        scaling = self._scaling
        self._stop_idle(now_s)
        if not self._requests.take(now_s):
            return
        wanted = min(self._autoscaler.wanted(now_s), scaling.max_instances)
        while self._alive < wanted and self._start(index, now_s) is not None:
            pass
        instance, may_start = self._free_instance(), self._alive < scaling.max_instances
        if instance is None and scaling.is_pinned and may_start:
            instance = self._start(index, now_s)
            if instance is None:
                return
        if instance is not None:
            self._seat(instance, index, now_s)
        elif scaling.max_wait_s > 0:
            self._pending.append(index)
            if not scaling.is_pinned and may_start and len(self._pending) > self._starting_places:
                self._start(index, now_s)
        else:
            return
        self._autoscaler.request_came(now_s)

    def _free_instance(self) -> Instance | None:
        for kind in (self._running, self._starting) if self._scaling.is_pinned else (self._running,):
            for load in self._order:
                if kind[load]:
                    return next(reversed(kind[load]))
        return None

    def _start(self, index: int, now_s: float) -> Instance | None:
        """Start an instance, in the time drawn for the request; ``None`` if that would be too many at once."""
        if not self._starts.take(now_s):
            return None
        ready_s = now_s + self._start_s[index]
        number = self._recorder.add_instance(now_s, ready_s, self._billed_s[index])
        instance = Instance(number, self._slowdowns, is_ready=False)
        self._alive += 1
        self._starting_places += self._places
        self._starting[0][instance] = None
        self._at(ready_s, lambda: self._become_ready(instance, ready_s))
        return instance

    def _become_ready(self, instance: Instance, now_s: float) -> None:
        self._starting_places -= self._places
        if instance.load < self._places:
            del self._starting[instance.load][instance]
            self._running[instance.load][instance] = None
        if not instance.load:
            self._idle_since_s[instance] = now_s
        instance.is_ready = True
        for index in instance.seated:
            self._begin(instance, index, now_s)
        self._fill(now_s)

    def _seat(self, instance: Instance, index: int, now_s: float) -> None:
        kind = self._running if instance.is_ready else self._starting
        del kind[instance.load][instance]
        self._idle_since_s.pop(instance, None)
        instance.load += 1
        if instance.load < self._places:
            kind[instance.load][instance] = None
        if instance.is_ready:
            self._begin(instance, index, now_s)
        else:
            instance.seated.append(index)

    def _begin(self, instance: Instance, index: int, now_s: float) -> None:
        recorder, is_first = self._recorder, instance.is_new
        instance.is_new = False
        recorder.begins_s[index], recorder.instances[index], recorder.cold[index] = now_s, instance.number, is_first
        instance.add(index, self._first_s[index] if is_first else self._service_s[index], now_s)
        self._announce_end(instance, now_s)

    def _announce_end(self, instance: Instance, now_s: float) -> None:
        version, end_s = instance.version, instance.next_end_s(now_s)

        def finish() -> None:
            if instance.version == version:
                self._finish(instance, end_s)

        self._at(end_s, finish)

    def _finish(self, instance: Instance, now_s: float) -> None:
        index = instance.finish(now_s)
        self._recorder.ends_s[index] = now_s
        self._autoscaler.request_went(now_s, self._service_s[index])
        if instance.load < self._places:
            del self._running[instance.load][instance]
        instance.load -= 1
        self._running[instance.load][instance] = None
        if not instance.load:
            self._idle_since_s[instance] = now_s
        if instance.computing:
            self._announce_end(instance, now_s)
        self._fill(now_s)

    def _fill(self, now_s: float) -> None:
        """Give free places to those that wait, except those that had waited for too long and were refused."""
        while self._pending:
            index = self._pending[0]
            if now_s - self._arrivals_s[index] > self._scaling.max_wait_s:
                self._autoscaler.request_went(now_s, 0.0)
            elif (instance := self._free_instance()) is not None:
                self._seat(instance, index, now_s)
            else:
                return
            self._pending.popleft()

    def _stop_idle(self, now_s: float) -> None:
        while self._idle_since_s and self._alive > self._scaling.kept_instances:
            instance, since_s = next(iter(self._idle_since_s.items()))
            stop_s = since_s + self._scaling.idle_s
            if stop_s > now_s:
                return
            del self._idle_since_s[instance], self._running[0][instance]
            self._recorder.stops_s[instance.number] = stop_s
            self._alive -= 1

    def _at(self, time_s: float, action: Callable[[], None]) -> None:
        event = self._environment.timeout(max(0.0, time_s - self._environment.now))
        event.callbacks.append(lambda _: action())
