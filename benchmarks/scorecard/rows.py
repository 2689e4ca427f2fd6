"""A row of the scorecard, and how two sides are compared."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["pass", "short", "n/a"]


@dataclass(frozen=True)
class Row:
    """One target and where we stand.

    Attributes:
        name: Such as ``codec.rest.encode``.
        value: The measured value; ``None`` if it cannot be measured here.
        bar: The target.
        verdict: ``pass``, ``short`` or ``n/a``.
        unit: Unit of value and bar; ``x`` for a ratio.
        spread: First and third quartile; of the per-round ratio where there are two sides.
        samples: Number of rounds.
        note: The two sides, or why there is no value.
    """

    name: str
    value: float | None
    bar: float
    verdict: Verdict
    unit: str
    spread: tuple[float, float] | None
    samples: int
    note: str


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        is_quick: Few rounds, for a first look: spreads are wide, and verdicts close to a bar may change.
    """

    is_quick: bool = False

    def of(self, full: int, quick: int) -> int:
        """One of two numbers of rounds.

        Args:
            full: For a measurement.
            quick: For a first look.
        """
        return quick if self.is_quick else full


def interleave(sides: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 2) -> dict[str, list[float]]:
    """Time every side once per round, in turn, so that any disturbance of the machine affects all sides.

    Args:
        sides: What to time, by name.
        rounds: Measured rounds.
        warm_up: Warm-up rounds, which are not counted.

    Returns:
        Seconds per round, by name.
    """
    timed: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(warm_up + rounds):
        for name, work in sides.items():
            begin_ns = time.perf_counter_ns()
            work()
            if number >= warm_up:
                timed[name].append((time.perf_counter_ns() - begin_ns) / 1e9)
    return timed


def ratio_row(
    name: str, above: list[float], below: list[float], bar: float, note: str, *, at_most: bool = False
) -> Row:
    """A row with the ratio of two sides' medians.

    Args:
        name: The row's name.
        above: The numerator, one value per round.
        below: The denominator, one value per round.
        bar: The target.
        note: Names the two sides; the medians are appended.
        at_most: Whether the target is an upper limit.

    Returns:
        The row.
    """
    high, low = statistics.median(above), statistics.median(below)
    value = high / low
    passed = value <= bar if at_most else value >= bar
    return Row(
        name,
        value,
        bar,
        "pass" if passed else "short",
        "x",
        quartiles([a / b for a, b in zip(above, below, strict=True)]),
        len(above),
        f"{note}: {_show(high)} / {_show(low)}",
    )


def quartiles(values: list[float]) -> tuple[float, float]:
    """First and third quartile.

    Args:
        values: At least one.

    Returns:
        The quartiles; for a single value, the value itself twice.
    """
    if len(values) < 2:
        return values[0], values[0]
    cuts = statistics.quantiles(values, n=4, method="inclusive")
    return cuts[0], cuts[2]


def _show(seconds: float) -> str:
    milliseconds = seconds * 1e3
    return f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:.3g} ms"
