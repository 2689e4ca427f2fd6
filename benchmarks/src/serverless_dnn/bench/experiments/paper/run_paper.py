"""The paper, rerun: each experiment into its folder, and the page made anew after each."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from serverless_dnn.bench.analysis.claims import RULE
from serverless_dnn.bench.experiments.paper.catalog import EXPERIMENTS
from serverless_dnn.bench.experiments.paper.options import PaperOptions
from serverless_dnn.bench.experiments.paper.paper_folder import (
    new_folder,
    new_record,
    read_record,
    run_folders,
    write_record,
)
from serverless_dnn.bench.experiments.paper.rerun import PaperExperiment, read_rerun
from serverless_dnn.bench.experiments.paper.session import Session
from serverless_dnn.bench.report.paper_figures import draw_figure
from serverless_dnn.bench.report.paper_page import PaperFacts, RunFacts, render_paper
from serverless_dnn.bench.report.paper_results import ExperimentResult
from serverless_dnn.bench.run_folder import REPORT_FILE, read_run
from serverless_dnn.bench.whole_files import write_file

CLAIMS_FILE, PAGE_FILE = "claims.json", "paper.html"


def run_paper(names: tuple[str, ...], options: PaperOptions, console: Console) -> Path:
    """Rerun experiments; what was measured until an interruption is kept.

    Args:
        names: The experiments.
        options: How they are rerun.
        console: Shows the progress.

    Returns:
        The paper's folder.

    Raises:
        OptionError: An option cannot be used.
        RunFolderError: The folder cannot be written or read.
        KeyboardInterrupt: It was interrupted.
    """
    folder = options.into or new_folder(options.runs_dir)
    record = read_record(folder) if options.into else new_record(quick=options.quick)
    write_record(folder, record)
    console.print(f"paper: {folder}", markup=False)
    for number, name in enumerate(_measured(names), 1):
        experiment = EXPERIMENTS[name]
        console.rule(f"{number} of {len(_measured(names))}: {name}, {experiment.title}")
        session, begin_s = Session(options, folder, console), time.monotonic()
        try:
            assert experiment.measure is not None
            experiment.measure(session)
        finally:
            record = record.with_experiment(name, time.monotonic() - begin_s, tuple(session.problems))
            write_record(folder, record)
            render(folder)
    render(folder)
    return folder


def _measured(names: tuple[str, ...]) -> list[str]:
    """The experiments to measure, so that all that were asked for have their runs."""
    wanted = dict.fromkeys(EXPERIMENTS[name].measured_by or name for name in names)
    return [name for name in EXPERIMENTS if name in wanted and EXPERIMENTS[name].measure is not None]


def results_of(folder: Path) -> list[ExperimentResult]:
    """Evaluate a paper's folder.

    Args:
        folder: The folder.

    Returns:
        The result of each experiment that has runs, or needs none.

    Raises:
        RunFolderError: It is no paper's folder, or a run cannot be read.
    """
    rerun = read_rerun(folder, tuple(EXPERIMENTS))
    return [
        experiment.result(rerun)
        for experiment in EXPERIMENTS.values()
        if _has_result(experiment, {*rerun.record.durations_s, *(name for name, runs in rerun.runs.items() if runs)})
    ]


def _has_result(experiment: PaperExperiment, measured: set[str]) -> bool:
    return (experiment.measured_by or experiment.name) in measured or (
        experiment.measure is None and not experiment.measured_by
    )


def render(folder: Path) -> Path:
    """Make the claims, the figures and the page anew, from the folder alone.

    Args:
        folder: The paper's folder.

    Returns:
        The page.

    Raises:
        RunFolderError: It is no paper's folder, or cannot be written.
    """
    results = results_of(folder)
    write_file(folder / CLAIMS_FILE, json.dumps(claims_document(results), indent=2, ensure_ascii=False) + "\n")
    for result in results:
        if result.figure is not None:
            write_file(folder / f"{result.name}.svg", draw_figure(result.figure))
    write_file(folder / PAGE_FILE, render_paper(results, facts_of(folder)))
    return folder / PAGE_FILE


def claims_document(results: list[ExperimentResult]) -> dict[str, Any]:
    """The claims with their verdicts, as JSON can hold them.

    Args:
        results: The results.
    """
    return {
        "schema_version": 1,
        "rule": RULE,
        "claims": [
            {
                "experiment": result.name,
                "claim": asdict(decision.claim),
                "verdict": decision.verdict,
                "reason": decision.reason,
                "conditions": [{**asdict(each), "holds": each.holds} for each in decision.conditions],
            }
            for result in results
            for decision in result.decisions
        ],
    }


def facts_of(folder: Path) -> PaperFacts:
    """What the page says beside the results.

    Args:
        folder: The paper's folder.
    """
    record = read_record(folder)
    runs = [
        RunFacts(name, run, data.run.verdict, tuple(finding.code for finding in data.run.findings),
                 str((path / REPORT_FILE).relative_to(folder)), len(data.samples), data.run.duration_s)
        for name in EXPERIMENTS
        for run, path in run_folders(folder, name).items()
        for data in [read_run(path)]
    ]  # fmt: skip
    return PaperFacts(
        record.started, record.quick, record.machine, record.packages, record.git_revision, record.durations_s,
        record.problems, tuple(runs),
    )  # fmt: skip
