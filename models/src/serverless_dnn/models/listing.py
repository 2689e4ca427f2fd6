"""The registry, and the models' sizes on the wire, next to the paper's figures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

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

    def __str__(self) -> str:
        text = f"{self.ours:.3g} ({self.paper:g})"
        return f"[yellow]{text}[/]" if self.differs else text


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
    """Print rows as a table.

    Args:
        rows: At least one.
        console: Where to print.
    """
    table = Table(title="ours (the paper's); yellow differs by more than 3 %", title_justify="left")
    for column in fields(rows[0]):
        justify = "left" if column.type is str else "right"
        table.add_column(column.name.replace("_", " "), justify=justify)  # type: ignore[arg-type]
    for row in rows:
        values = (getattr(row, column.name) for column in fields(row))
        table.add_row(*(_cell(value) for value in values))
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
