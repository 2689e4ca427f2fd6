"""Generators on the nodes of a Ray cluster, for load beyond one machine; needs the extra ``ray``.

Ray starts them, carries what they are told, and brings the requests back. Nodes share neither files nor a monotonic
clock: inputs travel as bytes, and a step begins at an instant of the nodes' wall clocks, which each converts to its own
monotonic clock. How far apart nodes begin is thus how far their wall clocks are: usually below a millisecond with NTP
inside one network, and checked here as far as a message can tell. Latencies are not affected: each is the difference of
two readings of one clock.
"""

import logging
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from serverless_dnn.bench.errors import LoadError, OptionError
from serverless_dnn.bench.load.generator import Call, Generator, StepResult, read_inputs
from serverless_dnn.bench.load.generators import merged
from serverless_dnn.bench.load.steps import Step

# Long enough for the instant of the beginning to reach every node, with workers that Ray has to wake.
_LEAD_NS = 500_000_000
_REACH_TIMEOUT_S = 5.0
_START_TIMEOUT_S = 60.0
_CLOCK_READINGS = 5
# Steps of seconds begin on nodes that are so far apart as if at once.
_MAX_CLOCK_ERROR_NS = 20_000_000


class NodeGenerator:
    """A generator on a node: an actor of Ray's.

    Args:
        number: Which generator it is.
    """

    def __init__(self, number: int) -> None:
        self._generator = Generator(number)
        self._prepared: Callable[[int | None], StepResult] | None = None

    def wall_clock_ns(self) -> int:
        """The node's time."""
        return time.time_ns()

    def add(self, label: str, call: Call, npz: bytes) -> None:
        """Learn how a configuration is called.

        Args:
            label: The configuration's label.
            call: How it is called.
            npz: Its file of inputs.
        """
        self._generator.add(label, call, read_inputs(npz))

    def prepare(self, step: Step) -> None:
        """Do all that comes before the first request.

        Args:
            step: This generator's part of the step.

        Raises:
            LoadError: The requests cannot be made.
        """
        self._prepared = self._generator.prepare(step)

    def run(self, begin_ns: int) -> StepResult:
        """Send the requests that were prepared, and wait for all answers.

        Args:
            begin_ns: When, on the wall clock.

        Returns:
            What came of it, without outputs.
        """
        assert self._prepared is not None
        begin_ns += time.perf_counter_ns() - time.time_ns()
        return replace(self._prepared(begin_ns), outputs=None)


@dataclass(frozen=True)
class _Place:
    """Where a generator runs.

    Attributes:
        node: The node's address.
        actor: Ray's handle of it.
    """

    node: str
    actor: Any


class RayGenerators:
    """Generators on a Ray cluster, each with a CPU of its own.

    They end with the process that made them. The package must be installed on every node, for the same version of
    Python.

    Args:
        address: The cluster's address: ``HOST:PORT`` from one of its nodes, ``ray://HOST:PORT`` from elsewhere.
        count: How many, dealt to the nodes in turn; ``None`` is one on each node that has CPUs.

    Raises:
        OptionError: Ray is not installed, there is no such cluster, or it has fewer CPUs.
        LoadError: A generator cannot be started, or the nodes' clocks differ.
    """

    def __init__(self, address: str, count: int | None = None) -> None:
        try:
            import ray
        except ImportError:
            raise OptionError("a Ray cluster needs Ray: pip install serverless-dnn-bench[ray]") from None
        self._ray: Any = ray
        self._places: list[_Place] = []
        _check_reachable(address)
        try:
            ray.init(address, logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            raise OptionError(f"cannot join the Ray cluster at {address}: {_first_line(error)}") from None
        try:
            self._start(address, count)
            self._check_clocks()
        except BaseException:
            self.close()
            raise

    def add(self, label: str, call: Call) -> None:
        """Learn how a configuration is called.

        Args:
            label: The configuration's label.
            call: How it is called: its URL must lead to it from every node.

        Raises:
            LoadError: A node is lost.
        """
        npz = call.inputs_path.read_bytes()
        self._get([place.actor.add.remote(label, call, npz) for place in self._places])

    def run(self, step: Step, on_sample: Callable[[], None] | None = None) -> StepResult:
        """Send a step's requests, and wait for all answers.

        Args:
            step: The step, divided among the generators.
            on_sample: Called for each request, once all are answered.

        Returns:
            What came of it, without outputs.

        Raises:
            LoadError: A node is lost, or cannot make its requests.
        """
        parts = zip(self._places, step.parts(len(self._places)), strict=True)
        busy = [(place.actor, part) for place, part in parts if part is not None]
        self._get([actor.prepare.remote(part) for actor, part in busy])
        begin_ns = time.time_ns() + _LEAD_NS
        result = merged(self._get([actor.run.remote(begin_ns) for actor, _ in busy]))
        for _ in result.samples:
            if on_sample is not None:
                on_sample()
        return result

    def close(self) -> None:
        """End the generators, and leave the cluster."""
        self._end_generators()
        self._ray.shutdown()

    def _start(self, address: str, count: int | None) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = {
            node["NodeID"]: (node["NodeManagerAddress"], int(node["Resources"].get("CPU", 0)))
            for node in self._ray.nodes()
            if node["Alive"]
        }
        chosen = places_of({node: cpus for node, (_, cpus) in nodes.items()}, count, address)
        remote = self._ray.remote(num_cpus=1, max_restarts=0)(NodeGenerator)
        for number, node in enumerate(chosen):
            strategy = NodeAffinitySchedulingStrategy(node, soft=False)
            self._places.append(_Place(nodes[node][0], remote.options(scheduling_strategy=strategy).remote(number)))

    def _end_generators(self) -> None:
        for place in self._places:
            self._ray.kill(place.actor)

    def _check_clocks(self) -> None:
        # The first reading waits until the generators run.
        self._get([place.actor.wall_clock_ns.remote() for place in self._places], _START_TIMEOUT_S)
        for place in self._places:
            error_ns = min((self._clock_error_ns(place) for _ in range(_CLOCK_READINGS)), key=abs)
            if abs(error_ns) > _MAX_CLOCK_ERROR_NS:
                raise LoadError(
                    f"the clock of node {place.node} differs from this machine's by {error_ns / 1e6:.0f} ms, and the "
                    f"generators could not begin at once: synchronise the nodes' clocks (NTP) to "
                    f"{_MAX_CLOCK_ERROR_NS / 1e6:.0f} ms"
                )

    def _clock_error_ns(self, place: _Place) -> int:
        """By how much a node's clock differs at least: not at all where the message took long enough to explain it."""
        before_ns = time.time_ns()
        [node_ns] = self._get([place.actor.wall_clock_ns.remote()])
        after_ns = time.time_ns()
        return int(min(0, node_ns - before_ns) or max(0, node_ns - after_ns))

    def _get(self, answers: Sequence[Any], timeout_s: float | None = None) -> list[Any]:
        try:
            return self._got(answers, timeout_s)
        except BaseException:
            # They would go on sending.
            self._end_generators()
            raise

    def _got(self, answers: Sequence[Any], timeout_s: float | None) -> list[Any]:
        exceptions = self._ray.exceptions
        try:
            found: list[Any] = self._ray.get(answers, timeout=timeout_s)
        except exceptions.GetTimeoutError:
            raise LoadError(
                f"the Ray cluster has not started the generators within {timeout_s:g} s: is it busy with other work?"
            ) from None
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, LoadError):
                raise LoadError(str(error.cause)) from None
            raise LoadError(f"a generator on the Ray cluster failed: {error.cause!r}") from None
        except exceptions.RayError as error:
            raise LoadError(
                f"a generator on the Ray cluster ended: {_first_line(error)} Its node was lost, or "
                "serverless-dnn-bench[ray] is not installed there"
            ) from None
        return found


def places_of(cpus: dict[str, int], count: int | None, address: str = "") -> list[str]:
    """Deal generators to nodes in turn, each with a CPU of its own.

    Args:
        cpus: The CPUs of each node.
        count: How many generators; ``None`` is one on each node that has a CPU.
        address: The cluster's, for the message.

    Returns:
        The node of each generator.

    Raises:
        OptionError: There are fewer CPUs than generators, or none.
    """
    # One place for each CPU: first the first of every node, then the second.
    places = [node for turn in range(max(cpus.values(), default=0)) for node in sorted(cpus) if turn < cpus[node]]
    wanted = max(1, sum(number > 0 for number in cpus.values())) if count is None else count
    if not 1 <= wanted <= len(places):
        raise OptionError(
            f"the Ray cluster {address} has CPUs for {len(places)} generators, and {wanted} were asked for"
        )
    return places[:wanted]


def _check_reachable(address: str) -> None:
    """Refuse an address where nobody listens: Ray would try for minutes, as it would to reach a past cluster again."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        raise OptionError(f"expected the Ray cluster's HOST:PORT, or ray://HOST:PORT from elsewhere, got {address}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise OptionError(f"cannot reach the Ray cluster at {address}: {error}") from None


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
