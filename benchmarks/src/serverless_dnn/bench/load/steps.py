"""A step of load: what one configuration is sent in one round; can be sent to another process as JSON."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from serverless_dnn.bench.load.arrivals import split
from serverless_dnn.bench.load.samples import Experiment, Slot

MAX_IN_FLIGHT = 512


@dataclass(frozen=True)
class ClosedLoop:
    """Each sender sends its next request once its previous one is answered.

    Attributes:
        requests: How many in all; ``None`` is limited by time alone.
        duration_s: No request is begun later; ``None`` is limited by their number alone.
        concurrency: How many senders.
    """

    requests: int | None
    duration_s: float | None = None
    concurrency: int = 1


def closed_loop_title(concurrency: int) -> str:
    """What a closed loop's requests are called.

    Args:
        concurrency: How many senders it has.

    Returns:
        Such as ``one after another``.
    """
    return "one after another" if concurrency == 1 else f"{concurrency:,} at a time"


@dataclass(frozen=True)
class OpenLoop:
    """Requests are sent when they are due, answered or not; latency counts from when they were due.

    A burst is an open loop whose requests are all due at once.

    Attributes:
        arrivals_ns: When each request is due, from the start.
        max_in_flight: The most unanswered requests that a generator keeps; what is due beyond that is sent late.
    """

    arrivals_ns: tuple[int, ...]
    max_in_flight: int = MAX_IN_FLIGHT


@dataclass(frozen=True)
class Step:
    """What one configuration is sent in one round.

    Attributes:
        configuration: The configuration's label.
        experiment: The experiment.
        round: The round.
        load: The pattern.
        first_index: The index of its first request.
        stride: By how much the index grows.
        encode_each: Whether every request is encoded anew, as part of its latency, or all are sent the same bytes.
    """

    configuration: str
    experiment: Experiment
    round: int
    load: ClosedLoop | OpenLoop
    first_index: int = 0
    stride: int = 1
    encode_each: bool = False

    def slot(self, number: int, scheduled_ns: int) -> Slot:
        """The slot of a request.

        Args:
            number: Its number in this step, from 0.
            scheduled_ns: When it is due.
        """
        index = self.first_index + number * self.stride
        return Slot(self.configuration, self.experiment, self.round, index, scheduled_ns)

    def parts(self, generators: int) -> list["Step | None"]:
        """Divide the step among generators.

        Args:
            generators: How many.

        Returns:
            The part of each; ``None`` for one that has nothing to do.
        """
        if isinstance(self.load, OpenLoop):
            loads: list[ClosedLoop | OpenLoop | None] = [
                replace(self.load, arrivals_ns=arrivals) if arrivals else None
                for arrivals in split(self.load.arrivals_ns, generators)
            ]
        else:
            loads = [_closed_part(self.load, number, generators) for number in range(generators)]
        return [
            None
            if load is None
            else replace(self, load=load, first_index=self.first_index + number, stride=self.stride * generators)
            for number, load in enumerate(loads)
        ]

    def to_document(self) -> dict[str, Any]:
        """Write it for another process."""
        return {**asdict(self), "is_open": isinstance(self.load, OpenLoop)}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read what ``to_document`` wrote.

        Args:
            document: The document.

        Returns:
            The step.
        """
        fields = dict(document)
        load = fields.pop("load")
        if fields.pop("is_open"):
            return cls(load=OpenLoop(tuple(load["arrivals_ns"]), load["max_in_flight"]), **fields)
        return cls(load=ClosedLoop(**load), **fields)


def _closed_part(load: ClosedLoop, number: int, generators: int) -> ClosedLoop | None:
    concurrency = len(range(number, load.concurrency, generators))
    if not concurrency:
        return None
    if load.requests is None:
        return replace(load, concurrency=concurrency)
    # By senders, so that each sends about as many as the others.
    before = sum(len(range(each, load.concurrency, generators)) for each in range(number))
    begin, end = (load.requests * senders // load.concurrency for senders in (before, before + concurrency))
    return replace(load, concurrency=concurrency, requests=end - begin) if end > begin else None
