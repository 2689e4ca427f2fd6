"""A run from its options to its folder: plan, deploy, measure, judge, write."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import psutil
from rich.console import Console

from serverless_dnn.bench.analysis.findings import judge
from serverless_dnn.bench.analysis.prices import PriceTable, load_prices, packaged_prices
from serverless_dnn.bench.configuration import Finding, Severity
from serverless_dnn.bench.errors import BenchError
from serverless_dnn.bench.experiments.deployments import Deployments, Served
from serverless_dnn.bench.experiments.describing import measured_configurations
from serverless_dnn.bench.experiments.exported_models import check_model_name, export_if_missing, fill_cache
from serverless_dnn.bench.experiments.failures import Failure, finding_of, quoting_log
from serverless_dnn.bench.experiments.inputs import ModelInputs, check_file, check_model, lay_out_model, make_inputs
from serverless_dnn.bench.experiments.measuring import Measuring
from serverless_dnn.bench.experiments.options import RunOptions
from serverless_dnn.bench.experiments.outputs import compare_outputs
from serverless_dnn.bench.experiments.plan import Machine, Plan, make_plan
from serverless_dnn.bench.experiments.progress import run_progress
from serverless_dnn.bench.load.arrivals import recorded
from serverless_dnn.bench.load.generator import write_inputs
from serverless_dnn.bench.load.generators import Generators, start_generators
from serverless_dnn.bench.machine import describe_machine, git_revision, package_versions
from serverless_dnn.bench.machine_load import MachineLoad
from serverless_dnn.bench.recorded_run import Run, RunData
from serverless_dnn.bench.run_folder import LOG_FOLDER, finish_folder, partial_folder, write_run
from serverless_dnn.bench.targets.link import parse_link
from serverless_dnn.client import ClientError

INPUTS_FILE = "inputs.npz"
_GRAVEST_FIRST = get_args(Severity)
Kind = Literal["run", "sweep", "capacity"]


@dataclass(frozen=True)
class FinishedRun:
    """A run that has been written.

    Attributes:
        folder: Where.
        data: What was written.
        was_interrupted: Whether it holds only what was measured until it was interrupted.
        failures: Why targets were given up in mid-run, or the measuring as a whole.
    """

    folder: Path
    data: RunData
    was_interrupted: bool
    failures: tuple[Failure, ...] = ()


@dataclass
class _Session:
    """What a run has come to so far.

    Attributes:
        folder: The run's folder, which is to get another name.
        prices: The prices that the run is to keep.
        measuring: Measures; ``None`` until everything is started.
        deployments: The targets; ``None`` until then.
        inputs: What is sent; ``None`` until the model was asked.
        was_interrupted: Whether the user stopped it.
        stopped_by: What stopped it otherwise.
        machine_load: How busy the machine was.
    """

    folder: Path
    prices: PriceTable
    measuring: Measuring | None = None
    deployments: Deployments | None = None
    inputs: ModelInputs | None = None
    was_interrupted: bool = False
    stopped_by: Failure | None = None
    machine_load: dict[str, object] = field(default_factory=dict)

    @property
    def has_measured(self) -> bool:
        """Whether there is anything to keep."""
        return self.measuring is not None and bool(self.measuring.measured.samples)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What was given up and why, and what stopped the run."""
        of_targets = () if self.measuring is None else self.measuring.measured.failures.values()
        return (*of_targets, *(() if self.stopped_by is None else (self.stopped_by,)))


def plan_of(options: RunOptions) -> Plan:
    """What a run with these options would do on this machine.

    Args:
        options: The options.

    Returns:
        The plan.

    Raises:
        OptionError: An option is invalid, or does not fit.
        ModelsError: There is no such model, or the input is no photograph that can be read.
    """
    # What a run needs only later is read now: it would be in vain without.
    if options.input is not None:
        check_file(options.input)
    if options.prices is not None:
        load_prices(options.prices)
    if options.link:
        parse_link(options.link)
    file = options.workload.arrivals_file
    recorded_ns = () if file is None else recorded(file)
    machine = Machine(len(os.sched_getaffinity(0)), psutil.virtual_memory().available >> 20)
    plan = make_plan(options, machine, recorded_ns)
    if options.model_path is not None:
        check_model(options.model_path)
    elif any(each.url is None for each in plan.configurations):
        check_model_name(options.model, options.models_dir)
    return plan


def run_experiment(options: RunOptions, console: Console, kind: Kind = "run") -> FinishedRun:
    """Measure, and write what was measured; a run that is interrupted, or whose target fails, is written as well.

    Args:
        options: The options.
        console: Shows the progress.
        kind: What the folder says it is.

    Returns:
        The run.

    Raises:
        BenchError: An option is invalid, a server failed before anything was measured, or nothing can be written.
        ClientError: A server answered wrongly before anything was measured.
        ModelsError: There is no such model.
        KeyboardInterrupt: It was interrupted before anything was measured.
    """
    plan = plan_of(options)
    prices = packaged_prices() if options.prices is None else load_prices(options.prices)
    started, begin_s = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    served = _prepare_model(plan, console)
    with partial_folder(options.runs_dir, served.name) as folder:
        session = _Session(folder, prices)
        try:
            with ExitStack() as stack:
                _measure(session, plan, served, stack, console)
        except BenchError as error:
            # Nothing was measured: the folder is removed, and the log with it.
            raise quoting_log(error) from None
        data = _data(session, plan, served, kind, started, time.monotonic() - begin_s)
        write_run(folder, data)
        return FinishedRun(finish_folder(folder), data, session.was_interrupted, session.failures)


def _prepare_model(plan: Plan, console: Console) -> Served:
    options = plan.options
    local = [each for each in plan.configurations if each.url is None]
    if options.model_path is not None:
        name, folder = lay_out_model(options.model_path, options.models_dir)
    else:
        name, folder = options.model, Path()
        if local:
            with console.status(f"exporting {name}"):
                folder = export_if_missing(name, options.models_dir).resolve()
    if not local:
        return Served(name, None)
    engines = dict.fromkeys(each.engine for each in local if each.cache == "filled" and each.engine != "tensorflow")
    with console.status(f"compiling {name}, as an image's build does"):
        return Served(
            name, folder, {engine: fill_cache(name, folder, engine, options.models_dir) for engine in engines}
        )


def _measure(session: _Session, plan: Plan, served: Served, stack: ExitStack, console: Console) -> None:
    load, inputs_path = MachineLoad(), session.folder / INPUTS_FILE
    with console.status("seeing what else this machine does"):
        load.sample_before()
    session.deployments = deployments = Deployments(plan, served, (session.folder / LOG_FOLDER).resolve(), stack)
    try:
        with console.status("starting the platforms"):
            for configuration in plan.configurations:
                deployments.start(configuration)
            session.inputs = make_inputs(plan.options, deployments.start(plan.configurations[0]).url, served.name)
        write_inputs(inputs_path, session.inputs.arrays)
        totals = [(each.label, plan.planned_requests_of(each)) for each in plan.configurations]
        # Closed before any server is stopped: connections that a server closes are worth a warning to gRPC.
        with (
            closing(_start_generators(plan.options)) as generators,
            run_progress(console, totals) as progress,
            load.during(),
        ):
            session.measuring = Measuring(
                plan, deployments, generators, inputs_path, session.inputs.output_name, progress
            )
            session.measuring.run()
        if session.failures and not session.has_measured:
            raise session.failures[0].error
    except KeyboardInterrupt:
        if not session.has_measured:
            raise
        session.was_interrupted = True
    except (BenchError, ClientError) as error:
        if not session.has_measured:
            raise
        session.stopped_by = Failure(None, error)
    finally:
        session.machine_load = dict(load.result())


def _start_generators(options: RunOptions) -> Generators:
    if options.ray_address is None:
        return start_generators(options.generators)
    from serverless_dnn.bench.load.ray_cluster import RayGenerators

    # One on each node, unless their number was given.
    return RayGenerators(options.ray_address, options.generators if options.generators > 1 else None)


def _data(session: _Session, plan: Plan, served: Served, kind: Kind, started: str, duration_s: float) -> RunData:
    assert session.measuring is not None
    assert session.deployments is not None
    assert session.inputs is not None
    measured = session.measuring.measured
    largest_difference, findings = compare_outputs(measured.outputs)
    findings += _failed(session, plan)
    if session.was_interrupted:
        message = "the run was interrupted: expected every round, got those until then; run it again for the rest"
        findings.append(Finding("INCOMPLETE", "invalid", message))
    options = plan.options
    run = Run(
        kind=kind,
        model=served.name,
        model_source="remote" if served.folder is None else str(options.model_path or "exported"),
        input=session.inputs.description,
        started=started,
        duration_s=round(duration_s, 3),
        seed=options.workload.seed,
        options=dict(options.to_document()),
        configurations=measured_configurations(plan, session.deployments, measured.samples),
        machine=describe_machine(),
        machine_load=session.machine_load,
        packages=package_versions(),
        git_revision=git_revision(),
        largest_difference=largest_difference,
        findings=[*plan.findings, *findings],
        probes=measured.probes,
        prices=session.prices.rows,
    )
    data = RunData(run, measured.samples, measured.invocations, session.deployments.instances, measured.steps)
    found = [*run.findings, *judge(data)]
    return replace(data, run=replace(run, findings=sorted(found, key=lambda each: _GRAVEST_FIRST.index(each.severity))))


def _failed(session: _Session, plan: Plan) -> Iterator[Finding]:
    assert session.deployments is not None
    log_folders = {each.label: session.deployments.start(each).log_folder for each in plan.configurations}
    for failure in session.failures:
        yield finding_of(failure, session.folder, log_folders.get(failure.configuration or ""))
