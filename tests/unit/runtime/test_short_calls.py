"""A kind of calls is short after enough short ones in a row, and no longer after one that was not."""

from serverless_dnn.runtime.short_calls import ShortCalls

SHORT = {"cpu_ns": 100_000, "wall_ns": 150_000}


def _after(calls: ShortCalls, kind: str, count: int) -> bool:
    for _ in range(count):
        calls.note(kind, **SHORT)
    return calls.is_short(kind)


def test_a_streak_of_short_calls_makes_a_kind_short() -> None:
    calls = ShortCalls()

    assert not calls.is_short("a")
    assert not _after(calls, "a", 7)
    assert _after(calls, "a", 1)
    assert not calls.is_short("b")


def test_a_long_call_breaks_the_streak() -> None:
    calls = ShortCalls()
    _after(calls, "a", 7)
    calls.note("a", cpu_ns=400_000, wall_ns=400_000)

    assert not _after(calls, "a", 7)
    assert _after(calls, "a", 1)


def test_a_kind_that_was_trusted_in_vain_is_not_trusted_soon() -> None:
    calls = ShortCalls()
    assert _after(calls, "a", 8)
    # It waited: for an engine's threads, or for another process.
    calls.note("a", cpu_ns=10_000, wall_ns=50_000_000)

    assert not _after(calls, "a", 150)
    assert _after(calls, "a", 100)


def test_callers_cannot_make_it_remember_without_end() -> None:
    calls = ShortCalls()
    for size in range(100_000):
        calls.note(("Predict", size), **SHORT)

    assert len(calls._streaks) <= 1024
