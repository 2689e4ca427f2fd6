"""Both simulators against textbook queues, against one another, and against what no queue may do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serverless_dnn.bench.simulation.behaviour import Behaviour, Draws
from serverless_dnn.bench.simulation.outcome import Outcome
from serverless_dnn.bench.simulation.scaling import Rate, Scaling, local_scaling
from serverless_dnn.bench.simulation.shared_instances import serve_shared
from serverless_dnn.bench.simulation.simulate import simulate
from serverless_dnn.bench.simulation.single_requests import serve_single_requests

MANY, SOME = 1_000_000, 200_000
ALONE = Behaviour(np.ones(1), np.zeros(1))


def _arrivals(count: int, rate: float, seed: int = 1) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


def _draws(service_s: np.ndarray, start_s: float = 0.0) -> Draws:
    none = np.zeros(service_s.size)
    return Draws(service_s, none, np.full(service_s.size, start_s), none, service_s, none)


def _exponential(count: int, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).exponential(1.0, count)


def erlang_c(servers: int, load: float) -> float:
    """The probability of waiting in M/M/c (Erlang, 1917)."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**count / math.factorial(count) for count in range(servers)) + last)


def erlang_b(servers: int, load: float) -> float:
    """The probability of loss in M/M/c/c."""
    return (
        load**servers
        / math.factorial(servers)
        / sum(load**count / math.factorial(count) for count in range(servers + 1))
    )


@pytest.mark.parametrize(
    ("servers", "load", "count"), [(1, 0.5, MANY), (1, 0.7, MANY), (2, 1.4, 2 * MANY), (8, 6.0, 4 * MANY)]
)
def test_mean_wait_of_exponential_services_is_erlang_c(servers: int, load: float, count: int) -> None:
    """Waits come in clusters: with eight servers the mean of a million is off by 2 % itself, one time in three."""
    outcome = serve_single_requests(
        _arrivals(count, load), _draws(_exponential(count)), local_scaling(servers), warm_instances=servers
    )

    assert np.mean(outcome.waits_s) == pytest.approx(erlang_c(servers, load) / (servers - load), rel=0.02)
    assert not outcome.refused.any()


@pytest.mark.parametrize("load", [0.3, 0.5, 0.7])
def test_mean_wait_of_constant_services_is_pollaczek_khinchine(load: float) -> None:
    outcome = serve_single_requests(_arrivals(MANY, load), _draws(np.ones(MANY)), local_scaling(1), warm_instances=1)

    assert np.mean(outcome.waits_s) == pytest.approx(load / (2 * (1 - load)), rel=0.02)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (5, 4.0), (10, 8.0)])
def test_loss_with_throttling_is_erlang_b(servers: int, load: float) -> None:
    outcome = serve_single_requests(
        _arrivals(MANY, load), _draws(_exponential(MANY)), local_scaling(servers, throttle=True), warm_instances=servers
    )

    assert np.mean(outcome.refused) == pytest.approx(erlang_b(servers, load), rel=0.02)
    assert np.nanmax(outcome.waits_s) == 0


@pytest.mark.parametrize("constant", [False, True])
def test_sharing_a_processor_takes_as_long_as_the_textbook_says_whatever_the_services(constant: bool) -> None:
    """Kleinrock (1976): the mean time in M/G/1 under processor sharing depends on the mean service alone."""
    services = np.ones(SOME) if constant else _exponential(SOME)
    outcome = serve_shared(
        _arrivals(SOME, 0.5), _draws(services), local_scaling(1, requests_per_instance=200), ALONE, warm_instances=1
    )

    assert np.mean(outcome.latencies_s) == pytest.approx(1 / (1 - 0.5), rel=0.02)


@pytest.mark.parametrize(("workers", "load"), [(1, 0.5), (4, 2.8)])
def test_requests_beyond_an_instance_s_workers_wait_inside_it_in_order(workers: int, load: float) -> None:
    behaviour = Behaviour(np.ones(1), np.zeros(1), cpus=workers, cpus_per_request=1, workers=workers)
    outcome = serve_shared(
        _arrivals(SOME, load), _draws(_exponential(SOME)), local_scaling(1, requests_per_instance=500), behaviour, 1
    )
    wait_s = np.mean(outcome.latencies_s) - 1

    assert wait_s == pytest.approx(erlang_c(workers, load) / (workers - load), rel=0.04)


def test_measured_slowdowns_are_taken_where_there_are_any() -> None:
    behaviour = Behaviour(np.array([0.1]), np.zeros(1), slowdowns=((4, 1.3),))

    assert [behaviour.slowdown(count) for count in (1, 4, 8)] == pytest.approx([1, 1.3, 2.6])
    outcome = simulate(np.zeros(4), behaviour, local_scaling(1, requests_per_instance=4), warm_instances=1)
    assert outcome.latencies_s == pytest.approx([0.13] * 4)


@pytest.mark.parametrize("requests_per_instance", [1, 2])
def test_a_burst_on_warm_instances_is_answered_in_waves(requests_per_instance: int) -> None:
    behaviour = Behaviour(np.array([0.1]), np.array([0.005]), cpus=1, cpus_per_request=1)
    scaling = local_scaling(4, requests_per_instance=requests_per_instance)
    outcome = simulate(np.zeros(40), behaviour, scaling, warm_instances=4)
    # Two that share one processor take twice as long: the same work in the same time.
    wave_s = 0.1 * requests_per_instance
    waves = np.repeat(np.arange(1, 10 // requests_per_instance + 1), 4 * requests_per_instance)

    assert np.sort(outcome.latencies_s) == pytest.approx(waves * wave_s + 0.005)


def test_a_burst_on_no_instances_waits_for_their_starts() -> None:
    one = np.ones(1)
    behaviour = Behaviour(one * 0.1, one * 0, one * 2.0, one * 0, one * 0.3, one * 0)
    outcome = simulate(np.zeros(5), behaviour, local_scaling(2))

    assert outcome.latencies_s == pytest.approx([2.3, 2.3, 2.4, 2.4, 2.5])
    assert outcome.cold.tolist() == [True, True, False, False, False]


@st.composite
def _cases(draw: st.DrawFn) -> tuple[np.ndarray, Draws, Scaling, int]:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 200))
    # Times that repeat would leave open who comes first.
    arrivals_s = np.cumsum(random.exponential(1 / draw(st.sampled_from([0.2, 2.0, 20.0])), count))
    draws = Draws(
        random.exponential(1, count), random.exponential(0.1, count), random.exponential(2, count),
        random.exponential(1, count), random.exponential(2, count), random.exponential(0.1, count),
    )  # fmt: skip
    scaling = Scaling(
        max_instances=draw(st.integers(1, 12)),
        idle_s=draw(st.sampled_from([0.5, 5.0, math.inf])),
        max_wait_s=draw(st.sampled_from([0.0, 1.5, math.inf])),
        start_rate=draw(st.sampled_from([None, Rate(0.5, 2)])),
        request_rate=draw(st.sampled_from([None, Rate(5, 5)])),
        spreads=draw(st.booleans()),
    )
    return arrivals_s, draws, scaling, draw(st.integers(0, 6))


@settings(max_examples=300, deadline=None)
@given(_cases())
def test_both_simulators_say_the_same(case: tuple[np.ndarray, Draws, Scaling, int]) -> None:
    arrivals_s, draws, scaling, warm = case
    one = serve_single_requests(arrivals_s, draws, scaling, warm)
    other = serve_shared(arrivals_s, draws, scaling, ALONE, warm)

    assert one.refused.tolist() == other.refused.tolist()
    assert one.cold.tolist() == other.cold.tolist()
    assert one.latencies_s == pytest.approx(other.latencies_s, nan_ok=True)
    assert one.starts_s == pytest.approx(other.starts_s)


@settings(max_examples=200, deadline=None)
@given(_cases(), st.integers(1, 5), st.booleans())
def test_no_instance_is_idle_while_requests_wait_and_none_is_faster_than_its_service(
    case: tuple[np.ndarray, Draws, Scaling, int], requests_per_instance: int, is_pinned: bool
) -> None:
    arrivals_s, draws, scaling, warm = case
    scaling = Scaling(
        scaling.max_instances,
        requests_per_instance,
        idle_s=scaling.idle_s,
        is_pinned=is_pinned,
        spreads=scaling.spreads,
    )
    outcome = serve_shared(arrivals_s, draws, scaling, ALONE, warm)
    needed_s = np.where(outcome.cold, draws.first_service_s, draws.service_s)

    assert not outcome.refused.any()
    assert (outcome.ends_s - outcome.begins_s >= needed_s - 1e-9).all()
    assert (outcome.latencies_s >= needed_s - 1e-9).all()
    assert np.max(outcome.instance_counts(outcome.arrivals_s)) <= scaling.max_instances
    for time_s in outcome.arrivals_s + 1e-9:
        _check_conservation(outcome, float(time_s), requests_per_instance)


def _check_conservation(outcome: Outcome, time_s: float, places: int) -> None:
    """While a request waits, every running instance is full."""
    waits = (outcome.arrivals_s <= time_s) & (outcome.begins_s > time_s)
    inside = (outcome.begins_s <= time_s) & (outcome.ends_s > time_s)
    loads = np.bincount(outcome.instances[inside], minlength=outcome.starts_s.size)
    running = (outcome.ready_s <= time_s) & (outcome.stops_s > time_s)
    assert loads.max(initial=0) <= places
    if waits.any():
        # A request that waits for an instance of its own leaves others free later: they were full when it came.
        came = outcome.arrivals_s[waits].max()
        if came >= time_s - 1e-8:
            assert (loads[running] == places).all()
