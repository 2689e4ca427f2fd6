"""Phases add up, the text is a Server-Timing header, and the cold start is told once."""

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
