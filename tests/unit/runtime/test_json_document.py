"""A document is read in pieces as in one, within a bound, and as RapidJSON reads it."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.codecs import json_document
from serverless_dnn.runtime.codecs.json_document import parse_json
from serverless_dnn.runtime.errors import InvalidArgumentError, PayloadTooLargeError

LIMIT = 1 << 20
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=60,
)


@pytest.fixture(params=[1 << 18, 24, 3])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many characters are read at once."""
    monkeypatch.setattr(json_document, "_PIECE", request.param)
    return int(request.param)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.dictionaries(st.text(max_size=4), VALUES, max_size=4), indent=st.sampled_from([None, 1]))
@example(document={"instances": [[[1, 2, 3]] * 3] * 9}, indent=None)
@example(document={"a": ["x,y", "]", "[1,2", '"', "\\"] * 6}, indent=None)
@example(document={"a": list(range(200)), "b": [{"k": [1, "a,b"]}] * 9}, indent=1)
def test_pieces_make_the_same_document(piece: int, document: dict[str, Any], indent: int | None) -> None:
    body = json.dumps(document, indent=indent, ensure_ascii=False).encode()

    assert parse_json(body, DecodeBudget(LIMIT)) == json.loads(body)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text('[]{},:"\\ 1.eaNtrue', max_size=30))
def test_what_is_broken_in_one_is_broken_in_pieces(piece: int, text: str) -> None:
    body = ('{"a": ' + text + "}").encode()
    try:
        expected = json.loads(body)
    except json.JSONDecodeError:
        with pytest.raises(InvalidArgumentError, match="JSON Parse error"):
            parse_json(body, DecodeBudget(LIMIT))
    else:
        assert repr(parse_json(body, DecodeBudget(LIMIT))) == repr(expected)


def test_more_values_than_the_limit_has_room_for_are_refused_before_they_are_made() -> None:
    body = b'{"a": [' + b"[]," * 20_000 + b"[]]}"

    with pytest.raises(PayloadTooLargeError, match="about 40003 values, and this server reads 8192 from JSON"):
        parse_json(body, DecodeBudget(1 << 16))


@pytest.mark.parametrize("levels", [101, 5000, 200_000])
def test_what_is_nested_too_deep(levels: int) -> None:
    for inner in (b"[", b'{"a":'):
        with pytest.raises(InvalidArgumentError, match="JSON Parse error"):
            parse_json(b'{"a": ' + inner * levels, DecodeBudget(1 << 24))


@pytest.mark.parametrize(
    "body",
    [
        rb'{"signature_name": "\ud800"}',
        rb'{"\udfff": 1}',
        rb'{"instances": [{"b64": "\uDAAA"}]}',
        rb'{"a": "\ud83d\ud83d\ude00"}',
    ],
)
def test_half_of_a_surrogate_pair_anywhere_is_no_text(body: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match=r"surrogate pair in string is invalid: \\ud") as raised:
        parse_json(body, DecodeBudget(LIMIT))

    assert str(raised.value).isascii()


def test_a_whole_surrogate_pair_and_an_escaped_backslash_are_text() -> None:
    assert parse_json(rb'{"a": "\ud83d\ude00", "b": "\\ud800"}', DecodeBudget(LIMIT)) == {"a": "😀", "b": r"\ud800"}
