"""What a run would do, as text."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.experiments.estimate import Estimate, with_assumed_size
from serverless_dnn.bench.experiments.plan import Plan
from serverless_dnn.bench.report.wording import dollars, number


def print_plan(plan: Plan, estimate: Estimate, console: Console) -> None:
    """Print what a run would do.

    Args:
        plan: The plan.
        estimate: What it takes.
        console: Where to print.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title="plan", title_justify="left")
    table.add_column("configuration", overflow="fold")
    for title in ("instances", "MB", "vCPU", "engine", "body", "requests"):
        table.add_column(title, justify="left" if title in ("engine", "body") else "right")
    for each in plan.configurations:
        table.add_row(
            each.label,
            "" if each.url else f"{each.instances}",
            number(each.memory_mb),
            number(each.cpus),
            each.engine,
            each.body_format,
            f"{estimate.requests[each.label]:,}",
        )
    console.print(table)
    workload = plan.options.workload
    console.print(
        f"{workload.rounds} rounds in which the configurations take turns; about {estimate.duration_s:.0f} s, give or "
        "take a factor of two"
    )
    for each in plan.configurations:
        if each.label in estimate.cost_usd:
            console.print(_cost(each, estimate.cost_usd[each.label]), soft_wrap=True, markup=False)
    for finding in plan.findings:
        whom = "" if finding.configuration is None else f"{finding.configuration}: "
        console.print(f"{finding.code}  {whom}{finding.message}")


def _cost(configuration: Configuration, usd: float | None) -> str:
    if usd is None:
        return f"{configuration.label}: a price that is not known"
    sized = with_assumed_size(configuration)
    size = f"instances of {number(sized.memory_mb)} MB and {sized.cpus or 0:.3g} vCPU"
    if configuration.memory_mb is None:
        size += ", which is assumed: give --memory"
    return f"{configuration.label}: about {dollars(usd)} US dollars at list prices, without data transfer, for {size}"
