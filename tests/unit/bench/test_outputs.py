"""Whether configurations answered the same."""

import math

import numpy as np
import pytest

from serverless_dnn.bench.experiments.outputs import compare_outputs

INF, NAN = float("inf"), float("nan")


def _compare(one: list[float], other: list[float]) -> tuple[float | None, list[str]]:
    largest, findings = compare_outputs({"lambda": {"y": np.float32(one)}, "cloudrun": {"y": np.float32(other)}})
    assert all(
        (each.code, each.severity, each.configuration) == ("OUTPUTS DIFFER", "invalid", "lambda") for each in findings
    )
    return largest, [each.message for each in findings]


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([0.5, 0.25], [0.5, 0.25005], 5e-5),
        # Large numbers are rounded more coarsely.
        ([12_345.0, 0.0], [12_346.0, 0.5], 1.0),
        ([NAN, INF, -INF], [NAN, INF, -INF], 0.0),
        ([], [], 0.0),
    ],
)
def test_outputs_that_are_those_of_one_model(one: list[float], other: list[float], difference: float) -> None:
    largest, messages = _compare(one, other)

    assert messages == []
    assert largest == pytest.approx(difference, rel=1e-3)


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ([0.5, 0.25], [0.5, 0.2502], 2e-4),
        ([12_345.0, 0.0], [12_347.0, 0.0], 2.0),
        ([1.0, 1.0], [1.0, NAN], NAN),
        ([1.0, 1.0], [INF, 1.0], INF),
        ([INF, 1.0], [-INF, 1.0], INF),
    ],
)
def test_outputs_that_differ(one: list[float], other: list[float], difference: float) -> None:
    largest, messages = _compare(one, other)

    assert largest == pytest.approx(difference, rel=1e-3, nan_ok=True)
    (message,) = messages
    assert message.startswith("y of lambda and cloudrun differ by ")


def test_outputs_of_other_names_shapes_and_texts() -> None:
    a, b = {"y": np.zeros((1, 2))}, {"y": np.zeros((2, 1))}
    words = [{"y": np.array([word], dtype=object)} for word in (b"cat", b"dog", b"cat")]

    assert compare_outputs({"lambda": a}) == (None, [])
    assert "(1, 2)" in compare_outputs({"lambda": a, "cloudrun": b})[1][0].message
    assert [len(compare_outputs({"one": words[0], "two": other})[1]) for other in words] == [0, 1, 0]
    # One that cannot be compared does not hide one that can, nor NaN the rest.
    largest, findings = compare_outputs(
        {"one": {"x": np.zeros(1), "y": np.float64([NAN])}, "two": {"x": np.ones(1), "y": np.zeros(1)}}
    )
    assert len(findings) == 2
    assert largest is not None
    assert math.isnan(largest)
