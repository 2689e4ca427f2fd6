"""Engines in separate processes, timed alternately."""

import json
import subprocess
import sys
from collections.abc import Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from serverless_dnn.runtime.settings import EngineOptions

_SideT = TypeVar("_SideT", bound=Hashable)
CACHE = Path(".cache/compiled").resolve()
"""Keeps compiled models from one scorecard to the next: loading them is not what is measured."""
_PROBE = Path(__file__).with_name("engine_probe.py")


@dataclass(frozen=True)
class Rounds:
    """How a model is timed.

    Attributes:
        predictions: Predictions per round.
        counted: Measured rounds.
        warm_up: Warm-up rounds, which are not counted.
    """

    predictions: int
    counted: int
    warm_up: int


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        engine: The engine that ran the model; for ``auto``, the one it chose.
        reason: Why it was chosen.
        seconds: Seconds per prediction, round by round.
    """

    engine: str
    reason: str
    seconds: list[float]


class _EngineProcess:
    """An engine's process.

    Args:
        folder: The model's version folder.
        name: The registry model whose request is sent; empty for any other model, which is sent random numbers.
        options: How to run the model.
    """

    def __init__(self, folder: Path, name: str, options: EngineOptions) -> None:
        arguments = [str(folder), name, options.name, options.precision, options.graph, str(options.threads or 0)]
        arguments.append(str(CACHE))
        self.process = subprocess.Popen(
            [sys.executable, str(_PROBE), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def loaded(self) -> Side:
        """Wait until the model is loaded, and return what runs it."""
        return Side(**json.loads(self._line()), seconds=[])

    def predict(self, predictions: int) -> float:
        """Predict, and return the seconds per prediction."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{predictions}\n")
        self.process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"engine_probe.py exited with {self.process.wait()}; its own message is on stderr")
        return line


def time_engines(folder: Path, name: str, sides: Mapping[_SideT, EngineOptions], rounds: Rounds) -> dict[_SideT, Side]:
    """Time predictions round by round, each side in its own process, alternating between the sides.

    Args:
        folder: The model's version folder.
        name: The registry model whose request is sent; empty for any other model, which is sent random numbers.
        sides: How each side runs the model.
        rounds: How many rounds and predictions.

    Returns:
        Every side's engine and times.

    Raises:
        RuntimeError: A process exited.
    """
    with ExitStack() as running:
        processes = {side: _EngineProcess(folder, name, options) for side, options in sides.items()}
        for engine in processes.values():
            running.enter_context(engine.process)
            running.callback(engine.process.kill)
        timed = {side: engine.loaded() for side, engine in processes.items()}
        for number in range(rounds.warm_up + rounds.counted):
            for side, engine in processes.items():
                seconds = engine.predict(rounds.predictions)
                if number >= rounds.warm_up:
                    timed[side].seconds.append(seconds)
    return timed
