"""Arrays for the calls of a model: ordinary ones, and those that engines treat differently."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.registry import Arrays, Random

NAN, INF = np.nan, np.inf
LARGE = 3e38


def f32(*values: Any) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def f64(*values: Any) -> NDArray[np.float64]:
    return np.array(values, np.float64)


def i32(*values: Any) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def i64(*values: Any) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def u8(*values: Any) -> NDArray[np.uint8]:
    return np.array(values, np.uint8)


def texts(*values: str | bytes) -> NDArray[np.object_]:
    return np.array([value.encode() if isinstance(value, str) else value for value in values], object)


def normal(random: Random, *shape: int) -> NDArray[np.float32]:
    return random.normal(size=shape).astype(np.float32)


def integers(random: Random, high: int, *shape: int, dtype: str = "int32") -> NDArray[Any]:
    return random.integers(0, high, shape).astype(dtype)


def pixels(random: Random, *shape: int) -> NDArray[np.uint8]:
    return random.integers(0, 256, shape).astype(np.uint8)


def constant(*shape: int) -> NDArray[np.float32]:
    """Weights that need not differ from model to model."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32) / 2


def spoiled(array: NDArray[Any], value: float) -> NDArray[Any]:
    """A copy with one element replaced."""
    copy = array.copy()
    copy.flat[copy.size // 3] = value
    return copy


def float_cases(
    *shape: int, name: str = "x", rows: Sequence[int] = (1, 2, 5, 0), others: Sequence[Sequence[int]] = ()
) -> Callable[[Random], list[Arrays]]:
    """Batches of several sizes, and batches of two with one element that is NaN, infinite or huge.

    Args:
        shape: Of one example.
        name: The input.
        rows: Sizes of batches.
        others: Further shapes of an example, where the model leaves them free.
    """

    def make(random: Random) -> list[Arrays]:
        calls = [{name: normal(random, count, *shape)} for count in rows]
        calls += [{name: normal(random, 2, *other)} for other in others]
        return calls + [{name: spoiled(normal(random, 2, *shape), value)} for value in (NAN, INF, -INF, LARGE)]

    return make
