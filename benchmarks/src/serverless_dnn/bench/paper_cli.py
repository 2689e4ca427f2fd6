"""The commands ``sdnn-bench paper``: the paper's experiments, rerun on this machine."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from serverless_dnn.bench.cli_errors import one_line_errors

_KEPT = "interrupted; the paper's folder has what was measured until then"
_FOLDER = click.Path(path_type=Path, file_okay=False)
_OPTIONS = (
    click.option(
        "--quick",
        is_flag=True,
        help="3 to 5 rounds, and of the models MobileNetV1, with BERT (q1a, q4), InceptionV3 (q1b) or YOLOv5 (q2), and "
        "InceptionV3 (q3): all in under 15 minutes on 2 idle cores. A claim about more models can then be refuted, but "
        "not reproduced.",
    ),
    click.option("--model", "models", multiple=True, help="Only this of the paper's models; repeatable."),
    click.option("--models-dir", default=".cache/models", show_default=True, type=_FOLDER, help="Exported models."),
    click.option("--runs-dir", default="runs", show_default=True, type=_FOLDER, help="Where the paper's folder goes."),
    click.option("--into", type=_FOLDER, help="Measure into this paper's folder, in place of what it has."),
    click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of everything random."),
)


@click.group()
def paper() -> None:
    """Rerun the paper's experiments here, and say which of its claims hold.

    \b
    Examples:
      sdnn-bench paper all --quick
      sdnn-bench paper q2 --model yolo_v5s
      sdnn-bench paper show runs/20261124T101500.000000Z-paper --markdown
    """  # noqa: D301 # click marks preformatted lines with a backspace


@paper.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--markdown", "is_markdown", is_flag=True, help="Print all tables and verdicts, as docs/paper-results.md has them."
)
@click.option("--figures-url", default="", help="What precedes the figures' names in Markdown's links.")
def show(folder: Path, is_markdown: bool, figures_url: str) -> None:  # noqa: FBT001 - a flag
    """Print the verdicts of a paper's FOLDER again, and make its page and figures anew."""
    from serverless_dnn.bench.experiments.paper.run_paper import facts_of, render, results_of
    from serverless_dnn.bench.report.paper_page import markdown
    from serverless_dnn.bench.report.paper_text import print_claims

    with one_line_errors("interrupted"):
        results, page = results_of(folder), render(folder)
        if is_markdown:
            click.echo(markdown(results, facts_of(folder), figures_url), nl=False)
        else:
            print_claims(results, Console())
        click.echo(f"page: {page}", err=True)


def _add(name: str, names: tuple[str, ...], text: str) -> None:
    def run(**given: Any) -> None:
        with one_line_errors(_KEPT):
            _run(names, given)

    for option in reversed(_OPTIONS):
        run = option(run)
    paper.command(name, help=text)(run)


def _run(names: tuple[str, ...], given: dict[str, Any]) -> None:
    from serverless_dnn.bench.experiments.paper.options import PaperOptions
    from serverless_dnn.bench.experiments.paper.run_paper import PAGE_FILE, results_of, run_paper
    from serverless_dnn.bench.report.paper_text import print_claims

    folder = run_paper(names, PaperOptions(**given), Console(stderr=True))
    print_claims(results_of(folder), Console())
    click.echo(f"page: {folder / PAGE_FILE}")


TITLES = {
    "sizes": "What a request computes and sends, against the paper's table.",
    "q1a": "Processing time of each model on each platform.",
    "q1b": "AVX-512 on and off.",
    "q1c": "A model server inside the function.",
    "q1d": "Cost on each platform.",
    "q2": "REST against gRPC over four links.",
    "q3": "More instances, or more cores in each.",
    "q4": "Cold starts by phase, and a burst that finds no instance.",
}
"""The experiments, without importing what they need."""
for _name, _text in TITLES.items():
    _add(_name, (_name,), _text)
_add("all", tuple(TITLES), "All experiments, into one folder.")
