"""The paper's claims and verdicts in a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from serverless_dnn.bench.analysis.claims import NOT_REPRODUCED, REPRODUCED
from serverless_dnn.bench.report.paper_page import headline
from serverless_dnn.bench.report.paper_results import ExperimentResult

_STYLES = {REPRODUCED: "green", NOT_REPRODUCED: "bold"}
_INDENT = 4


def print_claims(results: Sequence[ExperimentResult], console: Console) -> None:
    """Print every claim with its verdict, and why.

    Args:
        results: The results.
        console: Where to print.
    """
    for result in results:
        console.print(Text(f"{result.name}: {result.title}", "underline"))
        for each in result.decisions:
            console.print(Text(each.verdict, _STYLES.get(each.verdict, "yellow")).append(f": {each.claim.text}", ""))
            console.print(Padding(Text(each.reason, "dim"), (0, 0, 0, _INDENT)))
        console.print()
    console.print(headline(results), markup=False)
