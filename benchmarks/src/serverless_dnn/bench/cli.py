"""The command ``sdnn-bench``."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from serverless_dnn.bench.advise_cli import advise, validate
from serverless_dnn.bench.cli_errors import INTERRUPTED, one_line_errors
from serverless_dnn.bench.cli_options import (
    ANSWER_OPTIONS,
    DRY_RUN_OPTION,
    ENGINE_OPTION,
    FILE,
    FORMATS,
    INSTANCE_OPTIONS,
    LOAD_OPTIONS,
    MODEL_OPTIONS,
    WORKLOAD_OPTIONS,
    Numbers,
    run_options_of,
    with_options,
)
from serverless_dnn.bench.paper_cli import paper
from serverless_dnn.bench.platforms import PLATFORMS

_NOTHING_KEPT = "interrupted before anything was measured; nothing was kept"
_RUN_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group(context_settings={"auto_envvar_prefix": "SDNN_BENCH", "max_content_width": 120})
def main() -> None:
    """Benchmark one model on a function, a special-purpose endpoint and a container."""


@main.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@with_options(
    click.option("--target", "more_targets", multiple=True, metavar="TARGET", help="Another TARGET; repeatable."),
    *MODEL_OPTIONS,
    ENGINE_OPTION,
    click.option("--memory", "memory_mb", type=click.IntRange(128), help="MB of an instance.  [default: about 1 vCPU]"),
    *INSTANCE_OPTIONS,
    *WORKLOAD_OPTIONS,
    click.option("--json/--no-json", "with_json", default=True, help="Show what JSON costs beside."),
    click.option("--empty-cache/--no-empty-cache", "with_empty_cache", default=True, help="And starts that compile."),
    click.option("--floor/--no-floor", "with_floor", default=True, help="And what a front door takes by itself."),
    *LOAD_OPTIONS,
    *ANSWER_OPTIONS,
    DRY_RUN_OPTION,
)
def run(
    targets: tuple[str, ...], more_targets: tuple[str, ...], engine: str, memory_mb: int | None, **given: Any
) -> None:
    """Measure a model on each TARGET: cold starts, requests one after another, and bursts.

    A TARGET is lambda, sagemaker, cloudrun or all (the default), which run on this machine without an account, behind
    the platforms' own APIs and within their limits; or a URL: lambda:NAME, sagemaker:NAME, https://SERVICE.run.app,
    grpc://HOST:PORT, http://HOST:PORT. Of a URL, --memory and --cpus say what its instances have, for their cost.

    \b
    Examples:
      sdnn-bench run
      sdnn-bench run cloudrun lambda --engine tensorflow --requests 1000
      sdnn-bench run --model-path my_model --input photo.jpg --slo-p99-ms 50
      sdnn-bench run cloudrun --rate 40 --duration-s 60 --link broadband
      sdnn-bench run --target sagemaker:my-endpoint --memory 2048 --model my_model --input arrays.npz --dry-run
    """  # noqa: D301 # click marks preformatted lines with a backspace
    memories = () if memory_mb is None else (memory_mb,)
    _run("run", given, targets=_expanded((*targets, *more_targets)), engines=(engine,), memories_mb=memories)


@main.command()
@click.argument("targets", nargs=-1, metavar="[PLATFORM]...")
@with_options(
    *MODEL_OPTIONS,
    click.option(
        "--memory", "memories_mb", type=Numbers(), required=True, help="MB of an instance, such as 1024,2048."
    ),
    click.option(
        "--engine",
        "engines",
        multiple=True,
        type=click.Choice(["auto", "tensorflow", "openvino"]),
        help="Repeatable.  [default: auto]",
    ),
    *INSTANCE_OPTIONS,
    click.option("--requests", default=400, show_default=True, type=click.IntRange(1), help="One after another."),
    click.option("--cold-starts", default=6, show_default=True, type=click.IntRange(0), help="Forced cold starts."),
    click.option("--rounds", default=10, show_default=True, type=click.IntRange(1), help="The platforms take turns."),
    *LOAD_OPTIONS,
    *ANSWER_OPTIONS,
    DRY_RUN_OPTION,
)
def sweep(targets: tuple[str, ...], engines: tuple[str, ...], memories_mb: tuple[int, ...], **given: Any) -> None:
    """Measure a model at several memory sizes: memory against speed, cold start and cost, in one picture.

    A size that a platform does not have is replaced by its next larger one.

    \b
    Examples:
      sdnn-bench sweep --memory 1024,1769,3008
      sdnn-bench sweep lambda cloudrun --memory 1024,2048,4096 --engine tensorflow --engine openvino
      sdnn-bench sweep --model bert_base --memory 2048,3072,4096 --slo-p99-ms 500 --format csv
    """  # noqa: D301 # as above
    if remote := [target for target in targets if target not in (*PLATFORMS, "all")]:
        raise click.UsageError(f"{remote[0]!r} is none of {', '.join(PLATFORMS)}: memory is set on this machine alone")
    given |= {"instances": given["instances"] or 1, "burst": 0}
    beside = {"with_json": False, "with_empty_cache": False, "with_floor": False}
    _run("sweep", given, targets=_expanded(targets), engines=engines or ("auto",), memories_mb=memories_mb, **beside)


@main.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@with_options(
    *MODEL_OPTIONS,
    ENGINE_OPTION,
    click.option("--memory", "memory_mb", type=click.IntRange(128), help="MB of an instance.  [default: about 1 vCPU]"),
    *INSTANCE_OPTIONS,
    click.option(
        "--of",
        "quantity",
        default="rate",
        show_default=True,
        type=click.Choice(["rate", "concurrency"]),
        help="Varied.",
    ),
    click.option("--values", type=Numbers(), help="Try these, such as 1,2,4,8.  [default: search for the highest]"),
    click.option(
        "--duration-s",
        default=10.0,
        show_default=True,
        type=click.FloatRange(0.1),
        help="Of each try; a search goes on until a p99 can be judged.",
    ),
    *LOAD_OPTIONS,
    *ANSWER_OPTIONS,
    DRY_RUN_OPTION,
)
def capacity(
    targets: tuple[str, ...], engine: str, memory_mb: int | None, quantity: Any, values: tuple[int, ...], **given: Any
) -> None:
    """Find the highest rate, or concurrency, at which each TARGET keeps --slo-p99-ms; or try the amounts in --values.

    \b
    Examples:
      sdnn-bench capacity cloudrun --slo-p99-ms 100
      sdnn-bench capacity --of concurrency --values 1,2,4,8
    """  # noqa: D301 # as above
    from serverless_dnn.bench.experiments.options import Capacity

    if not values and given["slo_p99_ms"] is None:
        raise click.UsageError("a search needs an objective: give --slo-p99-ms, or --values to try")
    tried = Capacity(quantity, tuple(map(float, values or ())), duration_s=given.pop("duration_s"))
    given |= {"requests": 0, "burst": 0, "cold_starts": 1}
    beside = {"with_json": False, "with_empty_cache": False, "with_floor": False, "capacity": tried}
    memories = () if memory_mb is None else (memory_mb,)
    _run("capacity", given, targets=_expanded(targets), engines=(engine,), memories_mb=memories, **beside)


@main.command()
@click.argument("folder", type=_RUN_FOLDER)
@click.option("--format", "output_format", default="table", show_default=True, type=click.Choice(FORMATS))
@click.option(
    "--slo-p99-ms", type=click.FloatRange(0, min_open=True), help="Another objective.  [default: the run's own]"
)
@click.option("--prices", type=FILE, help="Another price table.  [default: the run's own]")
def show(folder: Path, output_format: str, slo_p99_ms: float | None, prices: Path | None) -> None:
    """Print the run in FOLDER again, and make its report anew; runs of older versions too.

    \b
    Examples:
      sdnn-bench show runs/20261124T101500.000000Z-mobilenet_v1
      sdnn-bench show runs/20261124T101500.000000Z-mobilenet_v1 --format markdown
    """  # noqa: D301 # as above
    from serverless_dnn.bench.report.page import write_report
    from serverless_dnn.bench.report.printing import print_run
    from serverless_dnn.bench.run_folder import read_run

    with one_line_errors(_NOTHING_KEPT):
        print_run(read_run(folder), output_format, slo_p99_ms=slo_p99_ms, prices=prices)
        click.echo(f"report: {write_report(folder, slo_p99_ms, prices)}", err=True)


@main.command()
@click.argument("before", type=_RUN_FOLDER)
@click.argument("after", type=_RUN_FOLDER)
@click.option("--fail-if", "rules", multiple=True, help="Such as `p50>5%`, `cold>10%`, `cost>1%`; repeatable.")
@click.option("--prices", type=FILE, help="A price table for both.  [default: that of AFTER]")
def compare(before: Path, after: Path, rules: tuple[str, ...], prices: Path | None) -> None:
    """Say what changed between the runs BEFORE and AFTER beyond noise; exits 1 if a rule of --fail-if is broken.

    \b
    Example:
      sdnn-bench compare runs/20261124T10... runs/20261125T09... --fail-if 'p50>5%'
    """  # noqa: D301 # as above
    from serverless_dnn.bench.analysis.comparison import broken_rules
    from serverless_dnn.bench.analysis.comparison import compare as compare_runs
    from serverless_dnn.bench.analysis.fail_rules import parse_rule
    from serverless_dnn.bench.analysis.prices import load_prices
    from serverless_dnn.bench.report.comparison_report import print_comparison
    from serverless_dnn.bench.run_folder import read_run

    with one_line_errors(_NOTHING_KEPT):
        parsed = [parse_rule(rule) for rule in rules]
        table = None if prices is None else load_prices(prices)
        comparison = compare_runs(read_run(before), read_run(after), prices=table)
        print_comparison(comparison, Console())
        broken = broken_rules(comparison, parsed)
    for message in broken:
        click.echo(f"sdnn-bench: {message}", err=True)
    sys.exit(1 if broken else 0)


main.add_command(advise)
main.add_command(paper)
main.add_command(validate)


def _run(kind: Any, given: dict[str, Any], **more: Any) -> None:
    from serverless_dnn.bench.experiments.run_experiment import plan_of, run_experiment
    from serverless_dnn.bench.report.page import write_report
    from serverless_dnn.bench.report.printing import print_run

    output_format, dry_run = given.pop("output_format"), given.pop("dry_run")
    with one_line_errors(_NOTHING_KEPT):
        options = run_options_of(given, **more)
        if dry_run:
            from serverless_dnn.bench.analysis.prices import load_prices, packaged_prices
            from serverless_dnn.bench.experiments.estimate import estimate_plan
            from serverless_dnn.bench.experiments.plan_table import print_plan

            plan, prices = plan_of(options), options.prices
            table = packaged_prices() if prices is None else load_prices(prices)
            print_plan(plan, estimate_plan(plan, table), Console())
            return
        finished = run_experiment(options, Console(stderr=True), kind)
        print_run(finished.data, output_format)
        report = write_report(finished.folder)
        click.echo(f"report: {report}", err=output_format != "table")
    if finished.was_interrupted:
        click.echo(f"sdnn-bench: interrupted; {finished.folder} has what was measured until then", err=True)
        sys.exit(INTERRUPTED)
    if finished.failures:
        click.echo(f"sdnn-bench: not everything was measured; {finished.folder} has what was", err=True)
    sys.exit(1 if finished.data.run.verdict in ("INVALID", "INCOMPLETE") else 0)


def _expanded(targets: tuple[str, ...]) -> tuple[str, ...]:
    named = targets or ("all",)
    return tuple(name for target in named for name in (PLATFORMS if target == "all" else (target,)))
