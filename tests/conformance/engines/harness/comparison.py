"""What differs between TensorFlow's answer and ours."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from corpus.registry import Arrays, Model
from numpy.typing import NDArray

# From this number of values on a mean says something.
_SAMPLE = 100


class Difference(NamedTuple):
    """One way in which an answer is not TensorFlow's."""

    kind: str
    text: str


def differences(expected: Arrays, answer: Arrays, model: Model) -> list[Difference]:
    """Compare two answers to one call.

    Args:
        expected: TensorFlow's.
        answer: Ours.
        model: Says what counts as rounding.

    Returns:
        What differs, nothing if they agree.
    """
    if expected.keys() != answer.keys():
        return [Difference("NAMES", f"expected {sorted(expected)}, got {sorted(answer)}")]
    found = []
    for name, array in sorted(expected.items()):
        other = answer[name]
        if array.dtype != other.dtype:
            found.append(Difference("DTYPE", f"{name}: expected {array.dtype}, got {other.dtype}"))
        elif array.shape != other.shape:
            found.append(Difference("SHAPE", f"{name}: expected {array.shape}, got {other.shape}"))
        elif not (agrees := _agreement(array, other, model)).all():
            where = tuple(int(place[0]) for place in np.nonzero(~agrees)) if array.ndim else ()
            wrong = int((~agrees).sum())
            text = f"{name}: {wrong} of {array.size}; at {where} expected {array[where]!r}, got {other[where]!r}"
            found.append(Difference("VALUE", text))
    return found


def _agreement(expected: NDArray[Any], answer: NDArray[Any], model: Model) -> NDArray[np.bool_]:
    kind = "f" if expected.dtype.name == "bfloat16" else expected.dtype.kind
    if kind not in "fc":
        return np.asarray(expected == answer)
    wide = np.complex128 if kind == "c" else np.float64
    a, b = expected.astype(wide), answer.astype(wide)
    if not model.exact:
        return np.isclose(b, a, model.rtol, model.atol, equal_nan=True)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if kind == "f":
        same &= np.isnan(a) | (np.signbit(a) == np.signbit(b))
    return same


def random_differences(expected: Sequence[Arrays], answers: Sequence[Arrays]) -> list[Difference]:
    """Compare two answers to the same call of a model that draws numbers.

    Args:
        expected: TensorFlow's first and second answer.
        answers: Ours.

    Returns:
        What differs: one changes from call to call and the other does not, or the distribution.
    """
    found = []
    for name, array in sorted(expected[0].items()):
        ours = answers[0].get(name)
        if ours is None or (ours.dtype, ours.shape) != (array.dtype, array.shape):
            found.append(Difference("SHAPE", f"{name}: expected {array.dtype}{array.shape}, got {ours!r}"))
            continue
        theirs_repeat, ours_repeat = (np.array_equal(pair[0][name], pair[1][name]) for pair in (expected, answers))
        if theirs_repeat != ours_repeat:
            text = f"{name}: TensorFlow repeats itself: {theirs_repeat}, we do: {ours_repeat}"
            found.append(Difference("NOT_RANDOM", text))
        if array.size >= _SAMPLE:
            a, b = array.astype(np.float64), ours.astype(np.float64)
            # Means of a hundred draws are within half a standard deviation but for one time in a thousand.
            if abs(a.mean() - b.mean()) > a.std() / 2 + 1e-6 or abs(a.std() - b.std()) > a.std() / 2 + 1e-6:
                text = f"{name}: mean {a.mean():.3f} and {b.mean():.3f}, deviation {a.std():.3f} and {b.std():.3f}"
                found.append(Difference("VALUE", text))
    return found
