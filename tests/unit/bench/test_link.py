"""What a link's text means, and when what is sent over it arrives: exactly, by a clock that the test turns."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.targets.link import LINKS, Direction, Link, Pace, parse_link

MS, S = 10**6, 10**9


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("latency=20ms,down=100Mbit,up=20Mbit", Link(20 * MS, 100_000_000, 20_000_000)),
        (" UP=1.5gbit , latency=250us ", Link(250_000, None, 1_500_000_000)),
        ("latency=1.5s", Link(1500 * MS)),
        ("down=500 kbit", Link(0, 500_000)),
        ("loopback", Link()),
        ("lan", Link(1 * MS, S, S)),
        ("broadband", Link(20 * MS, 100_000_000, 100_000_000)),
        ("Mobile", Link(60 * MS, 20_000_000, 20_000_000)),
        ("mobile,up=5Mbit", Link(60 * MS, 20_000_000, 5_000_000)),
    ],
)
def test_links_are_read_and_written(text: str, link: Link) -> None:
    assert parse_link(text) == link
    assert parse_link(str(link)) == link


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a link is a name .loopback, lan, broadband, mobile., or such as .* got ''"),
        ("wifi", "latency is the round trip.: got 'wifi'"),
        ("latency=20", "latency is a number and one of us, ms, s, as in 20ms: got '20'"),
        ("latency=-20ms", "latency is a number and one of"),
        ("latency=20ms,down=100MB", "down is a number and one of kbit, Mbit, Gbit, as in 100Mbit: got '100mb'"),
        ("up=1e3kbit", "up is a number"),
        ("up=1Mbit,up=2Mbit", "got 'up=2Mbit' in"),
        ("latency=1ms,mobile", "got 'mobile' in"),
        ("loss=1%", "got 'loss=1%'"),
        ("latency=11s", "must be 0 to 10 s, there and back: got 11 s"),
        ("down=1kbit", "down must be at least 10kbit: got 1000 bits a second"),
        ("latency=2s,up=10Gbit", "has 1192 MiB on the way, and 64 can be held"),
    ],
)
def test_other_texts_are_refused_with_what_is_expected(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_link(text)


def test_latency_is_the_round_trip() -> None:
    link = Link(round_trip_ns=5)

    there = Pace(link.up).arrival_ns(1, 100)
    back = Pace(link.down).arrival_ns(1, there)

    # Half a nanosecond is rounded up, both times.
    assert (there, back) == (103, 106)
    assert Pace(LINKS["mobile"].up).arrival_ns(0, 0) == Pace(LINKS["mobile"].down).arrival_ns(0, 0) == 30 * MS


def test_pieces_follow_one_another_at_the_bandwidth() -> None:
    # 8 Mbit: a microsecond for a byte.
    pace = Pace(Direction(delay_ns=10 * MS, bits_per_s=8_000_000))

    arrivals = [pace.arrival_ns(1000, 0), pace.arrival_ns(500, 0), pace.arrival_ns(0, 0)]
    after_a_pause = pace.arrival_ns(1000, 20 * MS)

    assert arrivals == [11 * MS, 11 * MS + MS // 2, 11 * MS + MS // 2]
    assert after_a_pause == 31 * MS


def test_directions_differ() -> None:
    link = parse_link("latency=2ms,down=80Mbit,up=8Mbit")

    assert Pace(link.up).arrival_ns(8000, 0) == 9 * MS
    assert Pace(link.down).arrival_ns(8000, 0) == MS + 800_000


_SENT = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 50 * MS)), min_size=1, max_size=40)


@given(_SENT, st.integers(10_000, 10**10), st.integers(0, 100 * MS))
def test_nothing_is_early_reordered_or_lost_time(sent: list[tuple[int, int]], bits_per_s: int, delay_ns: int) -> None:
    """Against the definition: a piece begins when it was sent and the one before is through, in exact numbers."""
    pace = Pace(Direction(delay_ns, bits_per_s))
    now_ns, through = 0, Fraction(0)
    last_ns = 0
    for number, (size, pause_ns) in enumerate(sent, 1):
        now_ns += pause_ns
        arrival_ns = pace.arrival_ns(size, now_ns)
        through = max(Fraction(now_ns), through) + Fraction(size * 8 * S, bits_per_s)
        assert through + delay_ns <= arrival_ns < through + delay_ns + number
        assert arrival_ns >= last_ns
        last_ns = arrival_ns


@given(st.integers(10_000, 10**10), st.integers(0, 5000 * MS))
def test_what_a_connection_may_have_on_the_way_fills_the_link_and_is_bounded(bits_per_s: int, delay_ns: int) -> None:
    try:
        direction = Link(2 * delay_ns, bits_per_s).down
    except OptionError:
        assert bits_per_s * delay_ns > 8 * S * (64 << 20)
        return
    # One more piece than the direction holds: there is always one to go on with.
    assert direction.window_bytes >= bits_per_s * delay_ns // (8 * S) + direction.segment_bytes
    assert direction.window_bytes <= (64 << 20) + (64 << 10)
    assert 1460 <= direction.segment_bytes <= 64 << 10
