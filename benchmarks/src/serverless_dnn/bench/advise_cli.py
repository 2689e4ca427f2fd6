"""The commands ``sdnn-bench advise`` and ``sdnn-bench validate``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from serverless_dnn.bench.cli_errors import one_line_errors
from serverless_dnn.bench.platforms import PLATFORMS

if TYPE_CHECKING:
    from serverless_dnn.bench.simulation.demand import Demand
    from serverless_dnn.bench.simulation.options import Quotas

_FOLDER = click.Path(path_type=Path, file_okay=False)
_ENGINES = click.Choice(["auto", "tensorflow", "openvino"])
_QUOTAS = ("lambda_concurrency", "sagemaker_concurrency", "cloud_run_instances")
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=_FOLDER, metavar="RUN...")
@click.option(
    "--slo-p99-ms", required=True, type=click.FloatRange(0, min_open=True), help="Answer 99 % within so long."
)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Requests a second, on average.")
@click.option(
    "--pattern", default="poisson", show_default=True, help="poisson, diurnal, or a file of intervals in seconds."
)
@click.option("--peak-to-mean", type=click.FloatRange(1, 2), help="The highest rate of a diurnal day.  [default: 1.8]")
@click.option("--free-tier/--no-free-tier", default=False, show_default=True, help="Take off what is free each month.")
@click.option("--prices", type=_FILE, help="Your own price table.  [default: list prices, dated]")
@click.option("--lambda-concurrency", type=click.IntRange(1), help="Lambda's account limit.  [default: 1000]")
@click.option("--sagemaker-concurrency", type=click.IntRange(1, 200), help="An endpoint's maximum.  [default: 200]")
@click.option(
    "--max-instances", "cloud_run_instances", type=click.IntRange(1), help="Cloud Run's maximum.  [default: 100]"
)
@click.option(
    "--idle-minutes",
    type=click.FloatRange(0, 1440, min_open=True),
    help="How long all keep an idle instance.  [default: AWS 5, Cloud Run 15]",
)
@click.option(
    "--start-extra-ms",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Add to every cold start, such as an image's pull.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of everything random.")
@click.option("--all", "with_beside", is_flag=True, help="Choose from the JSON-body and empty-cache variants, too.")
@click.option(
    "--format",
    "output_format",
    default="table",
    show_default=True,
    type=click.Choice(["table", "json", "markdown"]),
    help="Of stdout.",
)
def advise(runs: tuple[Path, ...], output_format: str, **given: Any) -> None:
    """Say which platform, memory, concurrency and instances to take, from what each RUN measured.

    A RUN is the folder of a run or a sweep of one model. Each of its configurations is simulated under your load, by
    its platform's scaling rules, for a month; the answer is the cheapest that keeps the objective.

    \b
    Examples:
      sdnn-bench advise runs/20261124T101500.000000Z-mobilenet_v1 --slo-p99-ms 100 --rate 10
      sdnn-bench advise runs/20261124T10... --slo-p99-ms 200 --rate 500 --pattern diurnal --peak-to-mean 2
      sdnn-bench advise runs/20261124T10... runs/20261124T11... --slo-p99-ms 50 --pattern trace.txt --format json
    """  # noqa: D301 # click marks preformatted lines with a backspace
    from serverless_dnn.bench.analysis.prices import load_prices, packaged_prices
    from serverless_dnn.bench.experiments.advising import advise_on
    from serverless_dnn.bench.report.advice_formats import to_json, to_markdown
    from serverless_dnn.bench.report.advice_page import write_advice
    from serverless_dnn.bench.report.advice_table import print_advice
    from serverless_dnn.bench.simulation.evaluation import Market

    demand_options = given.pop("pattern"), given.pop("rate"), given.pop("peak_to_mean")
    with_beside, prices = given.pop("with_beside"), given.pop("prices")
    with one_line_errors("interrupted; nothing was written"):
        quotas = _quotas(given)
        market = Market(prices=packaged_prices() if prices is None else load_prices(prices), quotas=quotas, **given)
        with Console(stderr=True).status("simulating a month of every option"):
            advice, question = advise_on(runs, _demand(*demand_options), market, with_beside=with_beside)
        if output_format == "table":
            print_advice(advice, question, Console())
        else:
            click.echo((to_json if output_format == "json" else to_markdown)(advice, question), nl=False)
        click.echo(f"page: {write_advice(runs[0], advice, question)}", err=output_format != "table")


def _quotas(given: dict[str, Any]) -> "Quotas":
    """Take the options that are quotas out of those that were given."""
    from serverless_dnn.bench.simulation.options import Quotas

    idle_minutes = given.pop("idle_minutes")
    most = {name: given.pop(name) for name in _QUOTAS}
    return Quotas(
        **{name: value for name, value in most.items() if value is not None},
        idle_s=None if idle_minutes is None else idle_minutes * 60,
    )


def _demand(pattern: str, rate: float | None, peak_to_mean: float | None) -> "Demand":
    import numpy as np

    from serverless_dnn.bench.load.arrivals import recorded
    from serverless_dnn.bench.simulation.arrivals import DEFAULT_PEAK_TO_MEAN
    from serverless_dnn.bench.simulation.demand import DiurnalDemand, RecordedDemand, SteadyDemand

    if peak_to_mean is not None and pattern != "diurnal":
        raise click.UsageError(f"--peak-to-mean is of --pattern diurnal, not of {pattern}")
    if pattern not in ("poisson", "diurnal"):
        path = Path(pattern)
        trace = RecordedDemand(np.array(recorded(path), dtype=np.float64) / 1e9, path.name)
        return trace if rate is None else trace.at(rate)
    if rate is None:
        raise click.UsageError("give --rate, or a file of intervals as --pattern")
    if pattern == "poisson":
        return SteadyDemand(rate)
    return DiurnalDemand(rate, DEFAULT_PEAK_TO_MEAN if peak_to_mean is None else peak_to_mean)


@click.command()
@click.argument("platforms", nargs=-1, metavar="[PLATFORM]...")
@click.option("--quick", is_flag=True, help="Fewer requests and rounds: about two minutes for all platforms.")
@click.option("--model", default="mobilenet_v1", show_default=True, help="A model from `sdnn-models list`.")
@click.option("--model-path", type=_FOLDER, help="Your own SavedModel, or a folder of its versions.")
@click.option("--engine", default="auto", show_default=True, type=_ENGINES, help="Inference engine.")
@click.option("--models-dir", default=".cache/models", show_default=True, type=_FOLDER, help="Exported models.")
@click.option("--runs-dir", default="runs", show_default=True, type=_FOLDER, help="Where its folder goes.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of everything random.")
def validate(platforms: tuple[str, ...], **given: Any) -> None:
    """Check the simulation that advice rests on against this machine.

    Requests one after another and cold starts are measured; a burst, an open loop at 60 % of what the closed loop
    carries, and a burst on no instance are predicted from them, and then really sent. PLATFORM is lambda, sagemaker or
    cloudrun; by default all. Leave the machine alone meanwhile.

    Exits 1 if a predicted median or 99th percentile is more than 20 % off. The open loop is judged by its prediction
    from service times under the same load; that from a closed loop's is shown, too.

    \b
    Examples:
      sdnn-bench validate
      sdnn-bench validate cloudrun --quick
    """  # noqa: D301 # as above
    from serverless_dnn.bench.experiments.validation import VALIDATION_FILE, ValidationOptions
    from serverless_dnn.bench.experiments.validation import validate as run_validation
    from serverless_dnn.bench.report.validation_text import print_validation

    with one_line_errors("interrupted; nothing was kept"):
        options = ValidationOptions(platforms or tuple(PLATFORMS), **given)
        folder, validation = run_validation(options, Console(stderr=True))
        print_validation(validation, Console())
        click.echo(f"record: {folder / VALIDATION_FILE}")
        sys.exit(0 if validation.is_passed else 1)
