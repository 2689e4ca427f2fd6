"""Phases add up, the text is a Server-Timing header, and the cold start is told once."""

import threading
import time

import pytest

from serverless_dnn.client.wire.server_timing import parse_server_timing
from serverless_dnn.runtime.timing import Instance, PhaseTimer


def _clock(*times_ns: int):
    remaining = list(times_ns)
    return lambda: remaining.pop(0)


def test_phases_add_up() -> None:
    timer = PhaseTimer(_clock(0, 10, 30, 30, 35, 100))
    with timer.phase("decode"):
        pass
    with timer.phase("decode"):
        pass

    assert timer.phases_ns == {"decode": 25}
    assert timer.total_ns() == 100


def test_a_phase_that_raises_still_counts() -> None:
    timer = PhaseTimer(_clock(0, 10, 30))
    try:
        with timer.phase("compute"):
            raise ValueError  # noqa: TRY301
    except ValueError:
        pass

    assert timer.phases_ns == {"compute": 20}


def test_only_the_first_prediction_tells_the_cold_start() -> None:
    instance = Instance(id="abc", engine='openvino "x"'.replace('"', ""))
    with instance.starting("load"):
        pass
    instance.ready()
    timer = PhaseTimer()
    timer.add("compute", 1_500_000)

    metadata = parse_server_timing(instance.server_timing(PhaseTimer()))
    first, second = (parse_server_timing(instance.server_timing(timer)) for _ in range(2))

    assert not metadata.is_cold
    assert first.is_cold
    assert not second.is_cold
    assert {"cold", "load", "compute", "total"} == set(first.phases_ms)
    assert {"compute", "total"} == set(second.phases_ms)
    assert first.engine == "openvino x"
    assert second.phases_ms["compute"] == 1.5
    assert first.instance == second.instance == "abc"


def _spend() -> int:
    """Let time pass on every clock that could be used.

    Returns:
        At least how long it took, in nanoseconds.
    """
    begin_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    while (spent_ns := time.clock_gettime_ns(time.CLOCK_BOOTTIME) - begin_ns) < 2_000_000:
        pass
    return spent_ns


def _cold_and_parts(instance: Instance) -> tuple[float, dict[str, float]]:
    timer = PhaseTimer()
    timer.add("compute", 1)
    phases_ms = parse_server_timing(instance.server_timing(timer)).phases_ms
    parts = ("interpreter", "import", "engine-import", "load", "warmup")
    return phases_ms["cold"], {name: phases_ms[name] for name in parts if name in phases_ms}


def test_a_servers_cold_start_is_the_sum_of_its_parts_and_a_rest() -> None:
    instance = Instance.of_server()
    at_first = dict(instance.cold_phases_ns)
    with instance.starting("load"):
        _spend()
        with instance.starting("engine-import"):
            importing_ns = _spend()
        loading_ns = _spend()
    rest_ns = _spend()
    instance.ready()
    with instance.starting("load"):
        _spend()

    cold_ms, parts_ms = _cold_and_parts(instance)

    assert set(at_first) == {"interpreter", "import"}
    assert set(parts_ms) == {"interpreter", "import", "engine-import", "load"}
    assert parts_ms["import"] == pytest.approx(at_first["import"] / 1e6, abs=1e-3)
    assert parts_ms["engine-import"] >= importing_ns / 1e6
    assert parts_ms["load"] >= loading_ns / 1e6
    assert cold_ms - sum(parts_ms.values()) >= rest_ns / 1e6 - 0.01


def test_what_runs_at_the_same_time_is_counted_once() -> None:
    instance = Instance()
    both = threading.Barrier(2)

    def load(phase: str) -> None:
        with instance.starting(phase):
            both.wait()
            _spend()
            both.wait()

    begin_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    threads = [threading.Thread(target=load, args=(phase,)) for phase in ("load", "import")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - begin_ns

    assert 0 < sum(instance.cold_phases_ns.values()) <= wall_ns


def test_a_phase_within_itself_is_counted_once() -> None:
    instance = Instance()
    begin_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    with instance.starting("load"), instance.starting("import"), instance.starting("load"):
        _spend()
    wall_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - begin_ns

    assert instance.cold_phases_ns["load"] >= 2_000_000
    assert sum(instance.cold_phases_ns.values()) <= wall_ns
