"""Advice as text for a terminal: the answer, the options, and what it rests on."""

import math

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serverless_dnn.bench.report.advice_view import Question, mark, name_of, percent, shown_options
from serverless_dnn.bench.report.wording import dollars, listed, number
from serverless_dnn.bench.simulation.advice import Advice

_HEADERS = ("$ a\nmonth", "p50\nms", "p99\nms", "within\n%", "cold\n%", "refused\n%")


def print_advice(advice: Advice, question: Question, console: Console) -> None:
    """Print advice.

    Args:
        advice: The advice.
        question: What was asked.
        console: Where to print. Where it is no terminal, each sentence of the answer is one line.
    """
    for line, style in zip(advice.lines, ("bold", "", ""), strict=True):
        console.print(Text(line, style), soft_wrap=not console.is_terminal)
    console.print()
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("option", overflow="fold", vertical="bottom")
    for header in _HEADERS:
        table.add_column(header, justify="right", no_wrap=True)
    shown, more = shown_options(advice)
    for each in shown:
        cells = (
            mark(advice, each),
            name_of(each),
            dollars(each.usd_per_month),
            *("–" if math.isinf(value) else number(value) for value in (each.p50_ms, each.p99_ms)),
            *(percent(share) for share in (each.within_share, each.cold_share, each.refused_share)),
        )
        style = "bold" if each is advice.winner else "" if each.keeps_objective else "dim"
        table.add_row(*(Text(cell) for cell in cells), style=style)
    console.print(table)
    for note in notes(advice, question, more):
        console.print(Text(note, "dim"))
    console.print("\nAssumptions")
    bullets = Table.grid(padding=(0, 1, 0, 0))
    for sentence in advice.assumptions:
        bullets.add_row("-", Text(sentence), style="dim")
    console.print(bullets)


def notes(advice: Advice, question: Question, more: int) -> list[str]:
    """What is to be said below the options.

    Args:
        advice: The advice.
        question: What was asked.
        more: How many options are not shown.
    """
    found = [
        f"Within: the share of requests answered within {number(question.slo_p99_ms)} ms; 99 % keep the objective."
    ]
    if more:
        found.append(f"{more} more options are in the JSON.")
    if question.prices:
        found.append(f"Prices: {listed(question.prices)}.")
    if question.doubts:
        found.append(f"What was measured may be off: {listed(question.doubts)}.")
    found += [f"Left out: {label}: {reason}." for label, reason in advice.left_out.items()]
    return found
