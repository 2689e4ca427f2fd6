"""The workload table: what the models compute and send, counted on the wire, against the paper's."""

from functools import cache

from serverless_dnn.bench.analysis.claims import Claim, Condition, decide, exact
from serverless_dnn.bench.experiments.paper.rerun import PaperExperiment, Rerun
from serverless_dnn.bench.experiments.paper.shown import title_of
from serverless_dnn.bench.report.paper_results import ExperimentResult, Figure, Mark, Panel, Row, Table
from serverless_dnn.models.listing import CardRow, WireRow, card_rows, wire_rows
from serverless_dnn.models.listing import Figure as Pair
from serverless_dnn.models.registry import MODELS

_INPUTS = Claim(
    "sizes.inputs",
    "A request has the sizes of the paper's table, and JSON makes it about five times as large",
    "each request's size, in gRPC and as the paper's JSON, is about the paper's, and JSON's is above 5 times gRPC's "
    "for each image model",
    paper_number="as in the tables below",
)
_OUTPUTS = Claim(
    "sizes.outputs",
    "A response has the sizes of the paper's table",
    "each response's size is about the paper's",
    paper_number="as in the tables below",
)
# The paper prints smaller figures with one significant digit.
_LEAST_MIB = 0.01
# JSON's size depends on the values; inputs are photographs and texts in the paper as here.
_UNKNOWN = ("output", "JSON")
_COLORS = {"gRPC": "#009E73", "REST, JSON as here": "#56B4E9", "REST, JSON as in the paper": "#0072B2"}


@cache
def _wire_rows() -> list[WireRow]:
    # YOLOv5's 2 million numbers take seconds in the paper's JSON.
    return wire_rows(MODELS.values())


def _result(_: Rerun) -> ExperimentResult:
    cards, wires = card_rows(MODELS.values()), _wire_rows()
    return ExperimentResult(
        name="sizes",
        title=EXPERIMENT.title,
        question="What does one request compute, and what does it send?",
        differences=(
            "A MB is a MiB, as in the paper.",
            "JSON's size depends on the values: the paper's outputs are unknown, ours are random numbers from 0 to 1.",
            "Our JSON prints each float32 in its shortest exact form; the paper's is Python's own, with 17 digits.",
        ),
        decisions=(
            decide(_INPUTS, [*_about(wires, "input"), *_growth(wires)]),
            decide(_OUTPUTS, _about(wires, "output")),
        ),
        tables=(_cards(cards), _wires(wires)),
        figure=_figure(wires),
    )


def _about(rows: list[WireRow], part: str) -> list[Condition]:
    conditions = []
    for row in rows:
        pairs = {"gRPC": getattr(row, f"{part}_grpc"), "JSON": getattr(row, f"{part}_rest_as_paper")}
        for protocol, pair in pairs.items():
            what = f"{title_of(row.model)}'s {part} in {protocol}, of the paper's size"
            # What the paper's digits cannot tell decides nothing.
            if pair.paper >= _LEAST_MIB:
                missing = "the values that the paper received are unknown" if (part, protocol) == _UNKNOWN else ""
                conditions.append(Condition(what, "about", 1.0, exact(pair.ours / pair.paper), missing))
    return conditions


def _growth(rows: list[WireRow]) -> list[Condition]:
    return [
        Condition(
            f"{title_of(row.model)}'s request in JSON, of that in gRPC",
            "above",
            5.0,
            exact(row.input_rest_as_paper.ours / row.input_grpc.ours),
        )
        for row in rows
        if row.input_grpc.paper >= _LEAST_MIB
    ]


def _cards(rows: list[CardRow]) -> Table:
    header = ("model", "GFLOPs", "model MB", "input MB, raw", "output MB, raw")
    lines = [
        (
            title_of(row.model),
            *(pair.text for pair in (row.gflops, row.model_mib, row.input_mib, row.output_mib)),
        )
        for row in rows
    ]
    return Table("The models: ours (the paper's)", header, tuple(lines))


def _wires(rows: list[WireRow]) -> Table:
    header = ("one request, one response", *(title_of(row.model) for row in rows))
    lines: list[tuple[str, ...]] = []
    for name, field in (
        ("input, gRPC", "input_grpc"),
        ("input, JSON as in the paper", "input_rest_as_paper"),
        ("input, our JSON", "input_rest_ours"),
        ("output, gRPC", "output_grpc"),
        ("output, JSON as in the paper", "output_rest_as_paper"),
        ("output, our JSON", "output_rest_ours"),
    ):
        values = [getattr(row, field) for row in rows]
        lines.append((name, *(each.text if isinstance(each, Pair) else f"{each:.3g}" for each in values)))
    return Table("On the wire, MB: ours (the paper's)", header, tuple(lines))


def _figure(rows: list[WireRow]) -> Figure:
    panels = []
    for part in ("input", "output"):
        lines = []
        for row in rows:
            values = (
                getattr(row, f"{part}_grpc").ours,
                getattr(row, f"{part}_rest_ours"),
                getattr(row, f"{part}_rest_as_paper").ours,
            )
            marks = tuple(Mark(name, value) for name, value in zip(_COLORS, values, strict=True))
            lines.append(Row(title_of(row.model), marks, " / ".join(f"{value:.2g}" for value in values)))
        panels.append(Panel(f"One {part}", "MB", tuple(lines), "points"))
    return Figure("JSON makes tensors several times as large", "Measured on the wire.", tuple(panels), _COLORS)


EXPERIMENT = PaperExperiment("sizes", "What a request computes and sends", None, _result)
