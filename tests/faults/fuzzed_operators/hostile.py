"""What a hostile caller sends: every size and value that a signature lets through, above all those at its edges."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fuzzed_operators.registry import FuzzedModel, Given

Random = np.random.Generator

# What one input holds at most, so that many calls at once stay within the machine.
MAX_ELEMENTS = 1 << 13
_USUAL_SIZES = (1, 1, 2, 3, 4, 5, 8)
_ODD_SIZES = (0, 17, 64, 257, 1031, 65_537)
_BEYOND_SIZES = (1 << 24, (1 << 24) + 1)
_MAX_RANK = 6
_ALIKE = 4
_CHECKED = 1 << 16
# Sizes that are given as values: each can be had, or not at all, so that no call fills the memory.
_SIZES_AS_VALUES = (0, 1, 1, 2, 2, 3, 4, 5, 7, 16, 33)
_WRONG_SIZES = (-1, -1, -2, -5, 1000, 46_341, 65_536, 10**9, 2**31 - 1, -(2**31))
_WRONG_SIZES_OF_64_BITS = (2**31, 2**32, 2**32 + 1, 2**40, 2**62, 2**63 - 1, -(2**63))
_SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-40, -1e-38, 1.1754944e-38, 1e9, -1e10, 1e10, 2.0**24, 2.0**31, 88.8)
_NONFINITE = (np.nan, np.inf, -np.inf, 3.4028235e38, -3.4028235e38, 1e30)


def draw_inputs(model: FuzzedModel, seed: int, number: int) -> dict[str, NDArray[Any]]:
    """Arrays for one call, of types and shapes that the signature accepts.

    Several calls in a row have the same shapes: an engine may check values only when shapes have changed.

    Args:
        model: The model.
        seed: With the model and the number it decides everything.
        number: Of the call.

    Returns:
        An array for each input.
    """
    of_shapes, of_values = (
        np.random.default_rng([seed, model.seed, *rest]) for rest in ((number // _ALIKE,), (0, number))
    )
    sizes: dict[str, int] = {}
    odd = of_shapes.random() < 0.35
    shapes = {name: _shape(given, sizes, of_shapes, odd=odd) for name, given in model.inputs.items()}
    if model.spares_tensorflow:
        shapes = {name: tuple(min(max(size, 1), 1 << 16) for size in shape) for name, shape in shapes.items()}
    # Arrays without dimensions too, not the numbers that numpy makes of them.
    arrays = {name: _array(given, shapes[name], of_values) for name, given in model.inputs.items()}
    return {name: np.asarray(_tamed(array) if model.spares_tensorflow else array) for name, array in arrays.items()}


def _tamed(array: NDArray[Any]) -> NDArray[Any]:
    """Only values that the guards of a model of which nothing is proven let through."""
    if array.dtype.kind == "f":
        return np.clip(np.nan_to_num(array), -1e10, 1e10).astype(array.dtype)
    return array if array.dtype.kind == "b" else np.clip(array, -(2**31), 2**31 - 1).astype(array.dtype)


def _shape(given: Given, sizes: dict[str, int], random: Random, *, odd: bool) -> tuple[int, ...]:
    wanted = given.shape
    if wanted is None:
        wanted = tuple(f"of rank {axis}" for axis in range(random.integers(_MAX_RANK + 1)))
    shape = []
    for size in wanted:
        if isinstance(size, int):
            shape.append(size)
            continue
        if size not in sizes:
            sizes[size] = int(random.choice(_ODD_SIZES if odd and random.random() < 0.5 else _USUAL_SIZES))
        # Now and then the same size is another.
        alike = not odd or random.random() < 0.85
        shape.append(sizes[size] if alike else int(random.choice(_USUAL_SIZES)))
    free = [axis for axis, size in enumerate(wanted) if isinstance(size, str)]
    while np.prod(shape, dtype=np.float64) > MAX_ELEMENTS and free:
        largest = max(free, key=lambda axis: shape[axis])
        shape[largest] = shape[largest] // 7 or 1
    if len(free) > 1 and 0 in shape and random.random() < 0.3:
        # No elements: then the other sizes cost nothing.
        at = free[int(random.integers(len(free)))]
        if shape[at] or shape.count(0) > 1:
            shape[at] = int(random.choice(_BEYOND_SIZES))
    return tuple(shape)


def _array(given: Given, shape: tuple[int, ...], random: Random) -> NDArray[Any]:
    if given.dtype == "bool":
        return random.random(shape) < random.choice([0, 0.5, 1])
    dtype = np.dtype(given.dtype)
    if dtype.kind in "iu":
        return _whole(given, shape, dtype, random)
    with np.errstate(over="ignore", under="ignore"):
        return _real(shape, random).astype(dtype)


def _real(shape: tuple[int, ...], random: Random) -> NDArray[np.float64]:
    kind = random.random()
    usual = random.normal(size=shape) * 10
    if kind < 0.45:
        return usual
    if kind < 0.55:
        return np.full(shape, random.choice(_SPECIAL))
    if kind < 0.7:
        return np.sign(usual) * 10 ** random.uniform(-45, 10, shape)
    if kind < 0.8:
        return random.choice(_SPECIAL, shape)
    return np.where(random.random(shape) < random.choice([0.01, 0.5]), random.choice(_NONFINITE, shape), usual)


def _whole(given: Given, shape: tuple[int, ...], dtype: np.dtype[Any], random: Random) -> NDArray[Any]:
    if given.sizes:
        wrong = _WRONG_SIZES + (_WRONG_SIZES_OF_64_BITS if dtype.itemsize == 8 else ())
        # One that is wrong is more dangerous among others that are not.
        values = random.choice(_SIZES_AS_VALUES, shape).astype(dtype)
        return np.where(
            random.random(shape) < random.choice([0, 0.2, 0.7]), random.choice(wrong, shape), values
        ).astype(dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    about = 5 if given.about is None else given.about
    near = np.array([-about - 1, -about, -1, 0, 1, about - 1, about, about + 1, about + 7], np.int64)
    far = np.array([low, high, 1 << 24, -(1 << 24), 2**31 - 1, -(2**31), 2**31, 10**9, 1000, -1000, 65_536], np.float64)
    far = far[(far >= low) & (far <= 2**62)]
    inside = random.integers(0, max(about, 1), shape)
    kind = random.random()
    if kind < 0.3:
        values = inside
    elif kind < 0.65:
        values = np.where(random.random(shape) < random.choice([0.1, 0.7]), random.choice(near, shape), inside)
    else:
        values = np.where(
            random.random(shape) < random.choice([0.05, 0.9]), random.choice(far.astype(np.int64), shape), inside
        )
    return np.clip(values, max(low, -(2**63)), min(high, 2**63 - 1)).astype(dtype)


def foreign_numbers(
    outputs: Mapping[str, NDArray[Any]], inputs: Mapping[str, NDArray[Any]], adds: tuple[float, ...]
) -> str:
    """Numbers of outputs that nobody gave.

    Args:
        outputs: What came out of a model that only moves numbers.
        inputs: What it was given.
        adds: What it may add.

    Returns:
        Some of them in words; empty when there are none.
    """
    known = np.concatenate(
        [[float(number) for number in adds], *(array.astype(np.float64).ravel() for array in inputs.values())]
    )
    tiny = bool((np.abs(known[known != 0]) < 1.2e-38).any())
    for name, array in outputs.items():
        # Of many numbers some are enough.
        found = array.ravel()[:: array.size // _CHECKED + 1].astype(np.float64)
        ours = np.isin(found, known) | (np.isnan(found) & np.isnan(known).any()) | (tiny & (found == 0))
        if not ours.all():
            return f"{name}{list(array.shape)} holds {found[~ours][:5].tolist()}, which no input holds"
    return ""
