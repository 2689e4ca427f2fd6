"""Whether all configurations give the same answers; pure."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.bench.configuration import Finding

MAX_DIFFERENCE = 1e-4
"""The largest difference between two configurations' outputs that still counts as the same model, as a part of the
outputs' largest magnitude where that is beyond 1: sums in another order differ by that much."""

Arrays = Mapping[str, NDArray[Any]]


def compare_outputs(outputs: Mapping[str, Arrays]) -> tuple[float | None, list[Finding]]:
    """Compare the configurations' outputs with one another.

    Args:
        outputs: Each configuration's answer to the same request, by label.

    Returns:
        The largest absolute difference between any two of them (``None`` with fewer than two), and a finding for each
        pair that differs by more than ``MAX_DIFFERENCE``.
    """
    largest: float | None = None
    findings = []
    for (one, left), (other, right) in itertools.combinations(outputs.items(), 2):
        shapes = [{name: array.shape for name, array in arrays.items()} for arrays in (left, right)]
        if shapes[0] != shapes[1]:
            message = f"{one} and {other} return different outputs: {shapes[0]} and {shapes[1]}"
            findings.append(Finding("OUTPUTS DIFFER", "invalid", message, one))
            continue
        for name in left:
            difference, allowed = _difference(left[name], right[name])
            # NaN stays, so that what cannot be compared is not taken for equal.
            largest = difference if largest is None else float(np.maximum(largest, difference))
            if not difference <= allowed:
                message = (
                    f"{name} of {one} and {other} differ by {difference:.3g}, expected at most {allowed:.3g}: they did "
                    "not serve the same model with the same precision"
                )
                findings.append(Finding("OUTPUTS DIFFER", "invalid", message, one))
    return largest, findings


def _difference(left: NDArray[Any], right: NDArray[Any]) -> tuple[float, float]:
    """The largest difference of two tensors, and what is allowed."""
    if left.dtype.kind not in "biuf" or right.dtype.kind not in "biuf":
        return 0.0 if np.array_equal(left, right) else float("inf"), 0.0
    values, others = left.astype(np.float64), right.astype(np.float64)
    are_equal = (values == others) | (np.isnan(values) & np.isnan(others))
    magnitude = np.max(np.abs(values), where=np.isfinite(values), initial=1.0)
    # Equal infinities have no difference to compute.
    differences = np.subtract(values, others, out=np.zeros_like(values), where=~are_equal)
    return float(np.max(np.abs(differences), initial=0.0)), float(MAX_DIFFERENCE * magnitude)
