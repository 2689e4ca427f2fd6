"""What the user sees while a run is under way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class RunProgress:
    """A bar for each configuration.

    Args:
        bars: Draws them.
        totals: How many requests each configuration is sent, by label; warm-up and replacements not counted.
    """

    def __init__(self, bars: Progress, totals: Sequence[tuple[str, int]]) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {
            label: bars.add_task(label, total=total, part="waiting") for label, total in totals
        }

    def begin(self, label: str, part: str) -> None:
        """Say what a configuration is doing.

        Args:
            label: The configuration.
            part: What it is doing.
        """
        self._bars.update(self._tasks[label], part=part)

    def advance(self, label: str) -> None:
        """Count a request.

        Args:
            label: The configuration.
        """
        self._bars.advance(self._tasks[label])

    def extend(self, label: str, requests: int) -> None:
        """Expect more requests than were planned.

        Args:
            label: The configuration.
            requests: How many more.
        """
        task = self._bars.tasks[self._tasks[label]]
        self._bars.update(self._tasks[label], total=(task.total or 0) + requests)


@contextmanager
def run_progress(console: Console, totals: Sequence[tuple[str, int]]) -> Iterator[RunProgress]:
    """Show the progress of a run.

    Args:
        console: Where.
        totals: How many requests each configuration is sent, by label.

    Yields:
        What to tell it to.
    """
    bars = Progress(
        TextColumn("{task.description:>12}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[part]}"),
        console=console,
    )
    with bars:
        yield RunProgress(bars, totals)
