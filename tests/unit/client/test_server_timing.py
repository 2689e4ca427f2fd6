"""The Server-Timing text is read by the W3C's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.client.wire.server_timing import parse_server_timing


@pytest.mark.parametrize(
    ("text", "phases_ms", "instance"),
    [
        ("", {}, ""),
        ("compute;dur=9.9", {"compute": 9.9}, ""),
        (
            'decode;dur=1.2, compute;dur=9.9,total;dur=11.3, instance;desc="3f2a"',
            {"decode": 1.2, "compute": 9.9, "total": 11.3},
            "3f2a",
        ),
        ("compute ; DUR = 3 ; dur=4", {"compute": 3.0}, ""),
        ('compute;desc="a, b;dur=1";dur=2', {"compute": 2.0}, ""),
        (r'instance;desc="a\"b"', {}, 'a"b'),
        ("instance;desc=plain", {}, "plain"),
        ("miss, compute;dur=1", {"compute": 1.0}, ""),
        ("compute;dur=bad, total;dur=1", {"total": 1.0}, ""),
        ("compute;dur=1, compute;dur=2", {"compute": 1.0}, ""),
        ("compute;unknown=1;dur=2", {"compute": 2.0}, ""),
    ],
)
def test_rules(text: str, phases_ms: dict[str, float], instance: str) -> None:
    timing = parse_server_timing(text)

    assert timing.phases_ms == phases_ms
    assert timing.instance == instance


@given(st.text(max_size=200))
def test_any_text_is_survived(text: str) -> None:
    parse_server_timing(text)
    parse_server_timing("compute;dur=1;" * 20 + text)
