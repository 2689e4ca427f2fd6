"""The event loop keeps a call only when its kind proved short and nobody else is there."""

from serverless_dnn.runtime.rpc.short_calls import ShortCalls

MS = 1_000_000


class _Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def _calls(clock: _Clock, calls: ShortCalls, kind: str, dur_ns: int, count: int) -> None:
    for _ in range(count):
        begin_ns = clock.now_ns
        clock.now_ns += dur_ns
        calls.ended(kind, begin_ns)


def test_a_kind_must_prove_short_first() -> None:
    clock = _Clock()
    calls = ShortCalls(clock)
    _calls(clock, calls, "small", MS // 10, 15)
    clock.now_ns += MS
    assert not calls.stays("small", 0)

    _calls(clock, calls, "small", MS // 10, 1)
    clock.now_ns += MS

    assert calls.stays("small", 0)
    assert not calls.stays("other", 0)


def test_one_long_call_takes_the_proof_away() -> None:
    clock = _Clock()
    calls = ShortCalls(clock)
    _calls(clock, calls, "small", MS // 10, 20)
    _calls(clock, calls, "small", MS, 1)
    _calls(clock, calls, "small", MS // 10, 15)
    clock.now_ns += MS

    assert not calls.stays("small", 0)


def test_others_in_work_or_just_gone_send_it_to_a_thread() -> None:
    clock = _Clock()
    calls = ShortCalls(clock)
    _calls(clock, calls, "small", MS // 10, 20)

    assert not calls.stays("small", 0)
    clock.now_ns += MS
    assert not calls.stays("small", 1)
    assert calls.stays("small", 0)


def test_kinds_are_forgotten_before_they_fill_the_memory() -> None:
    clock = _Clock()
    calls = ShortCalls(clock)
    for number in range(100_000):
        calls.ended(number, clock.now_ns)

    assert len(calls._short_in_a_row) <= 256
