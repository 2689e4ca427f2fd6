"""Steps divide among generators without losing or repeating a request, and cross to other processes unchanged."""

import itertools
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.experiments.capacity import search_highest
from serverless_dnn.bench.experiments.options import Workload
from serverless_dnn.bench.experiments.schedule import open_loop, share_of_round, turns
from serverless_dnn.bench.load.steps import ClosedLoop, OpenLoop, Step


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=50).map(sorted), st.integers(1, 7))
def test_open_loops_divide_by_arrivals(arrivals: list[int], generators: int) -> None:
    parts = Step("a", "open", 3, OpenLoop(tuple(arrivals)), first_index=10).parts(generators)

    slots = [
        part.slot(number, due) for part in parts if part is not None for number, due in enumerate(part.load.arrivals_ns)
    ]
    assert sorted((slot.index, slot.scheduled_ns) for slot in slots) == list(enumerate(arrivals, 10))
    assert len(parts) == generators


@given(st.integers(1, 200), st.integers(1, 30), st.integers(1, 7))
def test_closed_loops_divide_by_senders(requests: int, concurrency: int, generators: int) -> None:
    parts = [part for part in Step("a", "closed", 0, ClosedLoop(requests, None, concurrency)).parts(generators) if part]

    assert sum(part.load.requests for part in parts) == requests
    assert sum(part.load.concurrency for part in parts) <= concurrency
    indices = [part.slot(number, 0).index for part in parts for number in range(part.load.requests)]
    assert len(set(indices)) == requests


@pytest.mark.parametrize("load", [ClosedLoop(5, 1.5, 2), ClosedLoop(None, 2.0), OpenLoop((0, 5), 7)])
def test_steps_cross_to_other_processes(load: ClosedLoop | OpenLoop) -> None:
    step = Step("a b", "burst", 2, load, first_index=1, stride=3, encode_each=True)

    assert Step.from_document(orjson.loads(orjson.dumps(step.to_document()))) == step


def test_every_configuration_takes_every_place() -> None:
    orders = [turns("abc", number) for number in range(6)]

    assert all(sorted(order) == ["a", "b", "c"] for order in orders)
    for place in range(3):
        assert {order[place] for order in orders} == {"a", "b", "c"}
    # Each follows each of the others at some time.
    assert {pair for order in orders for pair in itertools.pairwise(order)} == set(itertools.permutations("abc", 2))
    assert turns([], 3) == []


@given(st.integers(0, 1000), st.integers(1, 20))
def test_rounds_share_all_requests(requests: int, rounds: int) -> None:
    shares = [share_of_round(requests, rounds, number) for number in range(rounds)]

    assert sum(shares) == requests
    assert max(shares) - min(shares) <= 1
    assert share_of_round(requests, rounds, rounds) == shares[0]


def test_open_loops_are_the_same_for_all_and_differ_by_round() -> None:
    workload = Workload(rate=50, duration_s=20, rounds=4, seed=3)
    first, second = open_loop(workload, 0), open_loop(workload, 1)

    assert first is not None
    assert second is not None
    assert first == open_loop(workload, 0) != second
    assert max(first.arrivals_ns) < 5e9
    assert open_loop(Workload(rate=None), 0) is None


def test_the_rounds_replay_a_recording_once() -> None:
    workload, recorded_ns = Workload(arrivals="intervals.txt", rounds=2), (1, 3, 6, 10, 15)
    rounds = [open_loop(workload, number, recorded_ns) for number in range(3)]

    assert [each and each.arrivals_ns for each in rounds] == [(1, 3), (3, 7, 12), (1, 3)]
    assert open_loop(replace(workload, rounds=10), 0, recorded_ns) is None


@pytest.mark.parametrize(("limit", "whole"), [(37.0, False), (37.0, True), (1.0, True), (0.3, False), (1000.0, True)])
def test_the_search_finds_the_limit(limit: float, *, whole: bool) -> None:
    tried = []

    def keeps(value: float) -> bool:
        tried.append(value)
        return value <= limit

    found = search_highest(keeps, 8, whole=whole)

    assert found is not None
    assert found <= limit
    assert found >= limit - max(0.06 * limit, 1 if whole else 0)
    assert len(tried) < 30


def test_a_search_without_a_limit_says_so() -> None:
    with pytest.raises(OptionError, match="too loose"):
        search_highest(lambda _: True, 1, whole=False)
    assert search_highest(lambda _: False, 1, whole=True) is None
