"""Who is measured when, and how much of the load falls into each round; pure."""

from collections.abc import Sequence
from typing import TypeVar

from serverless_dnn.bench.experiments.options import Workload
from serverless_dnn.bench.load.arrivals import constant, part_of, poisson
from serverless_dnn.bench.load.steps import OpenLoop

_ItemT = TypeVar("_ItemT")


def turns(items: Sequence[_ItemT], number: int) -> list[_ItemT]:
    """The order of a round: each begins once, and every other round goes backwards, so that no neighbour is favoured.

    Args:
        items: What takes turns.
        number: The round.

    Returns:
        The items in the order of that round.
    """
    if not items:
        return []
    begin = number % len(items)
    order = [*items[begin:], *items[:begin]]
    return order if number % 2 == 0 else order[::-1]


def share_of_round(requests: int, rounds: int, number: int) -> int:
    """How many of the requests a round sends; rounds beyond the planned ones send as many as those.

    Args:
        requests: How many in all.
        rounds: In how many rounds.
        number: The round.

    Returns:
        The round's share.
    """
    number %= rounds
    return requests * (number + 1) // rounds - requests * number // rounds


def open_loop(workload: Workload, number: int, recorded_ns: Sequence[int] = ()) -> OpenLoop | None:
    """The open loop of a round; every configuration gets the same.

    Args:
        workload: The workload.
        number: The round.
        recorded_ns: When each request of the recording is due, if one is replayed: a round replays its part of it, so
            that all the planned rounds replay it once, and rounds beyond those begin anew.

    Returns:
        The load; ``None`` if there is no open loop, or nothing of it falls into the round.

    Raises:
        OptionError: The rate or the duration cannot be used.
    """
    if workload.arrivals_file is not None:
        part_ns = part_of(recorded_ns, workload.rounds, number % workload.rounds)
        return OpenLoop(part_ns) if part_ns else None
    if workload.rate is None:
        return None
    duration_s = workload.duration_s / workload.rounds
    if workload.arrivals == "constant":
        return OpenLoop(constant(workload.rate, duration_s))
    arrivals = poisson(workload.rate, duration_s, workload.seed + number)
    return OpenLoop(arrivals) if arrivals else None
