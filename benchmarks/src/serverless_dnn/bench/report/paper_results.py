"""What the paper's page, its figures and its Markdown show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from serverless_dnn.bench.analysis.claims import Decision


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        title: What it shows, with what the numbers are.
        header: The columns, the rows' names first.
        rows: The rows.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Mark:
    """A value in a figure.

    Attributes:
        name: What it is; names have one colour in a figure.
        value: The value.
        low: The lower end of its interval, if it has one.
        high: The upper end.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """A line of a panel.

    Attributes:
        label: Its name.
        marks: Parts of a bar, one after another; or points.
        note: A text at its end in place of the sum.
    """

    label: str
    marks: tuple[Mark, ...]
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """Rows with an axis of their own.

    Attributes:
        title: What they have in common.
        unit: Of the values.
        rows: The rows.
        kind: ``bars`` are stacked from 0, ``points`` stand on an axis that is
            logarithmic where they differ much.
    """

    title: str
    unit: str
    rows: tuple[Row, ...]
    kind: Literal["bars", "points"] = "bars"


@dataclass(frozen=True)
class Figure:
    """A figure that can be read alone.

    Attributes:
        title: What it shows.
        note: What must be known to read it.
        panels: One below another.
        colors: By the name of a mark, as sRGB hex codes.
    """

    title: str
    note: str
    panels: tuple[Panel, ...]
    colors: Mapping[str, str]


@dataclass(frozen=True)
class ExperimentResult:
    """An experiment of the paper, rerun.

    Attributes:
        name: Such as ``q1a``.
        title: What it is about.
        question: What the paper asks.
        differences: What is not as in the paper.
        decisions: The paper's claims, decided.
        tables: Our numbers, beside the paper's where it gives them.
        figure: The figure; ``None`` without data.
        problems: Why something was not measured.
    """

    name: str
    title: str
    question: str
    differences: tuple[str, ...]
    decisions: tuple[Decision, ...]
    tables: tuple[Table, ...] = ()
    figure: Figure | None = None
    problems: tuple[str, ...] = field(default=())
