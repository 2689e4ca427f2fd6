"""Predicted and measured percentiles as text for a terminal."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from serverless_dnn.bench.analysis.statistics import needed_count
from serverless_dnn.bench.report.wording import listed, number, percentile_name
from serverless_dnn.bench.simulation.validation import TOLERANCE, Basis, Comparison, Pattern, Validation

PATTERNS: Mapping[tuple[Pattern, Basis], str] = {
    ("burst", "closed"): "burst",
    ("open", "loaded"): "open loop, from its times",
    ("open", "closed"): "open loop, from a closed one's",
    ("cold", "closed"): "burst, no instance",
}


def print_validation(validation: Validation, console: Console) -> None:
    """Print predicted and measured percentiles, which are within the tolerance, and the verdict.

    Args:
        validation: The comparisons.
        console: Where to print.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("platform", "load"):
        table.add_column(title, vertical="bottom")
    for title in ("n", "", "predicted\nms", "measured\nms", "error\n%", f"within\n{TOLERANCE:.0%}"):
        table.add_column(title, justify="right", no_wrap=True, vertical="bottom")
    for platform in validation.platforms:
        for each in platform.comparisons:
            table.add_row(
                platform.platform,
                PATTERNS[each.pattern, each.basis],
                f"{each.measured:,}",
                percentile_name(each.percent),
                number(each.predicted_ms),
                number(each.measured_ms),
                f"{round(each.error * 100):+d}",
                _judged(each),
            )
        table.add_section()
    console.print(table)
    console.print()
    decisive = [each for each in validation.comparisons if each.decides]
    beside = [each for each in validation.comparisons if not each.decides]
    verdict = "PASS" if validation.is_passed else "FAIL"
    console.print(f"{verdict}: {_within(decisive)}.", style="bold", highlight=False)
    if beside:
        console.print(f"Not judged: an open loop from requests one after another; {_within(beside)}.", highlight=False)
    if any(not each.is_carried for each in validation.comparisons):
        few = f"A p99 of fewer than {needed_count(99)} requests is little more than their maximum."
        console.print(Text(few, "dim"))
    for platform in validation.platforms:
        if platform.findings:
            console.print(Text(f"{platform.platform} may be off: {listed(platform.findings)}.", "yellow"))


def _judged(each: Comparison) -> str:
    """In brackets where it does not decide."""
    if each.decides:
        return "pass" if each.is_close else "FAIL"
    return "(pass)" if each.is_close else "(fail)"


def _within(comparisons: Sequence[Comparison]) -> str:
    close = sum(each.is_close for each in comparisons)
    return f"{close} of {len(comparisons)} predictions are within {TOLERANCE:.0%}"
