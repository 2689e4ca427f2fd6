"""Compare OpenVINO's results for a model with TensorFlow's, when the model is compiled ahead of time."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime.engines.base import LoadedModel
from serverless_dnn.runtime.engines.openvino.proof.guards import Guard
from serverless_dnn.runtime.errors import ServingError
from serverless_dnn.runtime.saved_model.signature import Signature, TensorSpec

Arrays = Mapping[str, NDArray[Any]]
TOLERANCES: Mapping[str, float] = {"f32": 1e-3, "bf16": 5e-2, "f16": 5e-2}
"""The tolerance per precision, as a fraction of the largest number in TensorFlow's output."""

_SEED = 20261126
# Sizes for the first dimension, and for all other free ones.
_SAMPLE_SIZES = ((1, 16), (2, 16), (3, 48), (1, 160))
_MOST_SAMPLE_ELEMENTS = 1 << 22
_LARGEST_SAMPLE_INTEGER = 1000


@dataclass(frozen=True)
class Verification:
    """The result of a comparison.

    Attributes:
        calls: How many calls both engines answered.
        largest_difference: The largest difference in an output, as a fraction of its largest number; infinite if
            shapes, types or integers differ, or one engine rejected the call.
        tolerance: The largest difference allowed.
        output: The output that differed most.
    """

    calls: int
    largest_difference: float
    tolerance: float
    output: str = ""

    @property
    def passed(self) -> bool:
        """Whether the engines agree; false if nothing was compared."""
        return self.calls > 0 and self.largest_difference <= self.tolerance


def sample_inputs(signature: Signature, guards: Iterable[Guard]) -> Iterator[dict[str, NDArray[Any]]]:
    """Deterministic inputs generated from a signature.

    Args:
        signature: The signature.
        guards: The values for which OpenVINO's results are proven.

    Yields:
        An array for each input.
    """
    bounds = {guard.alias: guard for guard in guards}
    random = np.random.default_rng(_SEED)
    for batch, size in _SAMPLE_SIZES:
        shapes = {alias: _shape(spec, batch, size, bounds[alias]) for alias, spec in signature.inputs.items()}
        if sum(map(math.prod, shapes.values())) <= _MOST_SAMPLE_ELEMENTS:
            yield {
                alias: _values(random, spec, shapes[alias], bounds[alias]) for alias, spec in signature.inputs.items()
            }


def compare(
    openvino: LoadedModel, tensorflow: LoadedModel, calls: Iterable[tuple[Signature, Arrays]], precision: str
) -> Verification:
    """Compare two engines on the same calls.

    Args:
        openvino: The model in OpenVINO.
        tensorflow: The same model in TensorFlow.
        calls: Signatures and inputs. Those rejected by both engines are not counted.
        precision: OpenVINO's arithmetic: ``f32``, ``bf16`` or ``f16``.

    Returns:
        The result.
    """
    answered, worst, output = 0, 0.0, ""
    for signature, inputs in calls:
        expected, found = _answer(tensorflow, signature, inputs), _answer(openvino, signature, inputs)
        if expected is None and found is None:
            continue
        answered += 1
        for alias in signature.outputs:
            difference = math.inf
            if expected is not None and found is not None:
                difference = _difference(expected[alias], found[alias], precision)
            if difference > worst:
                worst, output = difference, alias
    return Verification(answered, worst, TOLERANCES[precision], output)


def _answer(engine: LoadedModel, signature: Signature, inputs: Arrays) -> Arrays | None:
    try:
        return engine.run(signature, inputs)
    except ServingError:
        return None


def _difference(expected: NDArray[Any], found: NDArray[Any], precision: str) -> float:
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return math.inf
    if expected.dtype.kind != "f":
        # Reduced precision may move a value across a threshold, which is expected.
        return 0.0 if precision != "f32" or np.array_equal(expected, found) else math.inf
    if not expected.size:
        return 0.0
    if not np.array_equal(np.isnan(expected), np.isnan(found)):
        return math.inf
    with np.errstate(invalid="ignore"):
        apart = np.where(expected == found, 0, np.abs(expected.astype(np.float64) - found))
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0)
    return float(np.nanmax(apart, initial=0) / max(float(scale), np.finfo(np.float32).tiny))


def _shape(spec: TensorSpec, batch: int, size: int, guard: Guard) -> tuple[int, ...]:
    shape = spec.shape if spec.shape is not None else (None,)
    smallest = dict(guard.free)
    return tuple(
        fixed if fixed is not None else min(max(size, smallest.get(axis, 1)), guard.largest) if axis else batch
        for axis, fixed in enumerate(shape)
    )


def _values(random: np.random.Generator, spec: TensorSpec, shape: tuple[int, ...], guard: Guard) -> NDArray[Any]:
    if spec.dtype.kind == "b":
        return np.asarray(random.random(shape) < 0.5)
    low, high = max(guard.low, -_LARGEST_SAMPLE_INTEGER), min(guard.high, _LARGEST_SAMPLE_INTEGER)
    if spec.dtype.kind in "iu":
        return np.asarray(random.integers(max(int(low), 0), int(high), shape, endpoint=True), spec.dtype)
    # Image values are in [0, 1); other numbers are around zero.
    numbers = random.random(shape) if len(shape) == 4 else random.normal(size=shape)
    return np.asarray(np.clip(numbers, low, high), spec.dtype)
