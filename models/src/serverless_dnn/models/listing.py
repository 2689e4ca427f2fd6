"""The registry, and the models' sizes on the wire, next to the paper's figures."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from serverless_dnn.models.registry import ModelCard
from serverless_dnn.models.wire import measure_reply, measure_request

_MIB = 1 << 20
# Figures within this tolerance match the paper's, given how it rounds.
_SAME = 0.03


@dataclass(frozen=True)
class Figure:
    """One of our figures next to the paper's.

    Attributes:
        ours: What we count or measure.
        paper: What the paper reports.
    """

    ours: float
    paper: float

    @property
    def differs(self) -> bool:
        """Whether ours is more than 3 % from the paper's."""
        return abs(self.ours - self.paper) > _SAME * self.paper

    @property
    def text(self) -> str:
        """Both, without colour."""
        return f"{self.ours:.3g} ({self.paper:g})"

    def __str__(self) -> str:
        return f"[yellow]{self.text}[/]" if self.differs else self.text


@dataclass(frozen=True)
class CardRow:
    """A model in the units of the paper's workload table."""

    model: str
    task: str
    parameters: int
    gflops: Figure
    model_mib: Figure
    input_mib: Figure
    output_mib: Figure


@dataclass(frozen=True)
class WireRow:
    """The size of one request and one reply in MiB; ``rest_ratio`` is our REST request relative to the paper's."""

    model: str
    input_grpc: Figure
    input_rest_as_paper: Figure
    input_rest_ours: float
    rest_ratio: float
    output_grpc: Figure
    output_rest_as_paper: Figure
    output_rest_ours: float


def card_rows(cards: Iterable[ModelCard]) -> list[CardRow]:
    """Rows with the registry's figures.

    Args:
        cards: The models.

    Returns:
        One row per model.
    """
    return [
        CardRow(
            model=card.name,
            task=card.task,
            parameters=card.parameters,
            gflops=Figure(card.flops / 1e9, card.paper.gflops),
            model_mib=Figure(card.parameters * 4 / _MIB, card.paper.model_mib),
            input_mib=Figure(sum(spec.request_bytes() for spec in card.inputs) / _MIB, card.paper.input_grpc_mib),
            output_mib=Figure(sum(spec.request_bytes() for spec in card.outputs) / _MIB, card.paper.output_grpc_mib),
        )
        for card in cards
    ]


def wire_rows(cards: Iterable[ModelCard]) -> list[WireRow]:
    """Rows with the sizes of actually encoded messages.

    Args:
        cards: The models.

    Returns:
        One row per model.
    """
    rows = []
    for card in cards:
        request, reply, paper = measure_request(card), measure_reply(card), card.paper
        rows.append(
            WireRow(
                model=card.name,
                input_grpc=Figure(request.grpc / _MIB, paper.input_grpc_mib),
                input_rest_as_paper=Figure(request.rest_paper / _MIB, paper.input_rest_mib),
                input_rest_ours=request.rest / _MIB,
                rest_ratio=request.rest / request.rest_paper,
                output_grpc=Figure(reply.grpc / _MIB, paper.output_grpc_mib),
                output_rest_as_paper=Figure(reply.rest_paper / _MIB, paper.output_rest_mib),
                output_rest_ours=reply.rest / _MIB,
            )
        )
    return rows


def print_rows(rows: Sequence[CardRow] | Sequence[WireRow], console: Console) -> None:
    """Print rows as a table with a column for each model, which a terminal of 80 columns shows whole.

    Args:
        rows: At least one.
        console: Where to print.
    """
    table = Table(
        title="ours (the paper's); yellow differs by more than 3 %",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    names, *values = _lines(rows)
    table.add_column(names[0], min_width=11)
    for name in names[1:]:
        table.add_column(name, justify="right")
    for line in values:
        table.add_row(*line)
    console.print(table)


def rows_as_csv(rows: Sequence[CardRow] | Sequence[WireRow]) -> str:
    """Rows as CSV; the paper's figures have columns of their own.

    Args:
        rows: At least one.

    Returns:
        The text.
    """
    flat = [_flat(row) for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def rows_as_markdown(rows: Sequence[CardRow] | Sequence[WireRow]) -> str:
    """Rows as a Markdown table with a column for each model.

    Args:
        rows: At least one.

    Returns:
        The text.
    """
    head, *values = _lines(rows, is_plain=True)
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *values))


def _lines(rows: Sequence[CardRow] | Sequence[WireRow], *, is_plain: bool = False) -> list[list[str]]:
    """The table's lines, the models' names first."""
    return [
        [column.name.replace("_", " "), *(_cell(getattr(row, column.name), is_plain=is_plain) for row in rows)]
        for column in fields(rows[0])
    ]


def _flat(row: CardRow | WireRow) -> dict[str, object]:
    flat: dict[str, object] = {}
    for column in fields(row):
        value = getattr(row, column.name)
        flat |= (
            {column.name: value.ours, f"{column.name}_paper": value.paper}
            if isinstance(value, Figure)
            else {column.name: value}
        )
    return flat


def _cell(value: object, *, is_plain: bool) -> str:
    if isinstance(value, Figure) and is_plain:
        return value.text
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str):
        return value.replace("-", " ")
    return f"{value:.3g}" if isinstance(value, float) else str(value)
