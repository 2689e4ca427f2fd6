"""What is known of a loop's variables in every iteration."""

import math
from dataclasses import replace

from serverless_dnn.runtime.engines.openvino.proof.facts import Facts, joined
from serverless_dnn.runtime.engines.openvino.proof.sizes import LARGEST, Shape


def same_bounds(before: Facts, after: Facts) -> bool:
    """Whether an iteration left the facts about a variable unchanged.

    Args:
        before: What was known before it.
        after: What is known after it.
    """
    names = ("shape", "low", "high", "finite", "number", "varies", "exact", "filled", "content", "unproven")
    return all(getattr(before, name) == getattr(after, name) for name in names)


def merged(before: Facts, after: Facts, *, widen: bool) -> Facts:
    """What is known of a variable in every iteration, given the facts before and after one.

    Args:
        before: What is known before.
        after: What is known after.
        widen: Give up bounds that still grow, except for iteration counters.
    """
    if before is after:
        return before
    low, high = joined((before, after))
    if widen and (low, high) != before.within:
        counts_up = after.operator in ("AddV2", "Add") and after.inputs[0] is before and after.inputs[1].scalar == 1
        low, high = (low, LARGEST) if counts_up else (-math.inf, math.inf)
    return replace(
        before,
        shape=_merged_shape(before, after),
        content=before.content if before.content == after.content else None,
        low=low,
        high=high,
        finite=before.finite and after.finite,
        number=before.number and after.number,
        varies=before.varies or after.varies,
        fixed=False,
        exact=before.exact and after.exact,
        filled=before.filled and after.filled,
        value=None,
        alias="",
        operator="",
        inputs=(),
        unproven=before.unproven or after.unproven,
    )


def _merged_shape(before: Facts, after: Facts) -> Shape | None:
    """The sizes that stay the same; a list has the shape of its elements once they are set."""
    if before.operator == "TensorListReserve":
        return after.shape
    if before.shape is None or after.shape is None or len(before.shape) != len(after.shape):
        return None
    return tuple(one if one == other else None for one, other in zip(before.shape, after.shape, strict=True))
