"""Custom attributes name the model; whatever else is in the header does no harm."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.sagemaker_tfserving.custom_attributes import CUSTOM_ATTRIBUTES, InvocationTarget, read_target


def _read(header: str) -> InvocationTarget:
    return read_target({CUSTOM_ATTRIBUTES: header})


def test_what_they_name() -> None:
    assert read_target({}) == InvocationTarget()
    assert _read("tfs-model-name=half, tfs-model-version=00123 ,tfs-method=regress") == InvocationTarget(
        "half", 123, method="regress"
    )
    assert _read("tfs-model-label=stable,sdnn-accept-encoding=gzip").label == "stable"
    assert _read("mine=1;tfs-model-name=a/b c") == InvocationTarget("a/b c")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("tfs-method=train", "tfs-method must be one of predict, classify, regress, got 'train'"),
        ("tfs-model-version=latest", "must be a number, got 'latest'"),
        ("tfs-model-version=" + "9" * 5000, "must be a number"),
        ("tfs-model-version=1,tfs-model-label=a", "send one of them"),
    ],
)
def test_wrong_values(header: str, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message) as raised:
        _read(header)
    assert len(str(raised.value)) < 200


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=3000) | st.from_regex(r"(tfs-[a-z]*=?,?)*"))
def test_any_text(header: str) -> None:
    with suppress(InvalidArgumentError):
        _read(header)
