"""Which content type is read, and which is written."""

import pytest

from serverless_dnn.runtime.codecs.content_types import (
    JSON_TYPE,
    NPY_TYPE,
    PROTOBUF_TYPE,
    is_text,
    sent_type,
    wanted_type,
)


@pytest.mark.parametrize(
    ("accept", "sent", "wanted"),
    [
        ("", JSON_TYPE, JSON_TYPE),
        ("", NPY_TYPE, NPY_TYPE),
        ("*/*", NPY_TYPE, NPY_TYPE),
        ("application/*", PROTOBUF_TYPE, PROTOBUF_TYPE),
        ("application/x-npy", JSON_TYPE, NPY_TYPE),
        ("application/x-npy;q=0.1, application/json", NPY_TYPE, JSON_TYPE),
        ("application/json, application/x-npy", NPY_TYPE, JSON_TYPE),
        ("application/json;q=0.5, application/x-npy;q=0.9, */*;q=0.1", JSON_TYPE, NPY_TYPE),
        ("Application/X-NPY ; Q=1.0", JSON_TYPE, NPY_TYPE),
        ("application/x-npy;q=0", JSON_TYPE, JSON_TYPE),
        ("application/x-npy;q=many", JSON_TYPE, JSON_TYPE),
        # TensorFlow Serving ignores the header: what we cannot write is no reason to refuse.
        ("text/plain", JSON_TYPE, JSON_TYPE),
        ("image/png", NPY_TYPE, NPY_TYPE),
        (",;,", JSON_TYPE, JSON_TYPE),
    ],
)
def test_the_type_with_the_greatest_weight_is_written(accept: str, sent: str, wanted: str) -> None:
    assert wanted_type(accept, sent_type(sent)).name == wanted


def test_an_unknown_type_is_read_as_json() -> None:
    assert sent_type("text/csv").name == sent_type("").name == JSON_TYPE


def test_which_bodies_are_text() -> None:
    assert is_text("application/json; charset=utf-8")
    assert is_text("text/html")
    assert not is_text("application/x-npy")
    assert not is_text("image/png")
