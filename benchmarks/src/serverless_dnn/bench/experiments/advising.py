"""Advice from runs' folders: read, find what can be chosen, simulate, choose."""

from collections.abc import Sequence
from pathlib import Path

from serverless_dnn.bench.analysis.summary import summarize
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.report.advice_view import Question
from serverless_dnn.bench.report.wording import listed, priced
from serverless_dnn.bench.run_folder import read_run
from serverless_dnn.bench.simulation.advice import Advice, advise
from serverless_dnn.bench.simulation.candidates import candidates_of_runs
from serverless_dnn.bench.simulation.demand import Demand
from serverless_dnn.bench.simulation.evaluation import Market


def advise_on(
    folders: Sequence[Path], demand: Demand, market: Market, *, with_beside: bool = False
) -> tuple[Advice, Question]:
    """Choose from what runs measured.

    Args:
        folders: The runs' folders; at least one.
        demand: The load.
        market: The objective, prices and quotas.
        with_beside: Whether to choose from what was shown beside the compared configurations as well.

    Returns:
        The advice, and what was asked.

    Raises:
        RunFolderError: A folder is not a run.
        OptionError: The runs do not carry the question; the message says what is missing.
    """
    read = [read_run(folder) for folder in folders]
    runs = [(data, summarize(data, slo_p99_ms=market.slo_p99_ms, prices=market.prices)) for data in read]
    candidates, left_out = candidates_of_runs(runs, with_beside=with_beside)
    advice = advise(candidates, demand, market, left_out=left_out)
    costs = [each.cost for _, summary in runs for each in summary.configurations if each.cost and each.cost.region]
    question = Question(
        runs=tuple(folder.resolve().name for folder in folders),
        model=read[0].run.model,
        load=demand.text,
        rate=demand.rate,
        slo_p99_ms=market.slo_p99_ms,
        free_tier=market.free_tier,
        seed=market.seed,
        quotas=market.quotas,
        start_extra_ms=market.start_extra_ms,
        prices=tuple(dict.fromkeys(priced(cost) for cost in costs)),
        cpu=listed(list(dict.fromkeys(str(data.run.machine.get("cpu", "an unknown CPU")) for data in read))),
        doubts=tuple(dict.fromkeys(doubt for data in read for doubt in _doubts(data))),
    )
    return advice, question


def _doubts(data: RunData) -> list[str]:
    return [
        each.code if each.configuration is None else f"{each.code} ({each.configuration})" for each in data.run.findings
    ]
