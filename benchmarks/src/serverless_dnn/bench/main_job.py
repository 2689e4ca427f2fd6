"""The main job: one model, three platforms, one folder of results."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from serverless_dnn.bench.experiment import (
    PLATFORMS,
    PlatformResult,
    compare_outputs,
    export_if_missing,
    judge_samples,
    measure_platform,
    requests_in_all,
)
from serverless_dnn.bench.machine import describe_machine, git_revision, package_versions
from serverless_dnn.bench.platforms.base import DeployOptions
from serverless_dnn.bench.report import write_report
from serverless_dnn.bench.run_folder import LOG_FOLDER, Run, finish_folder, partial_folder, write_run
from serverless_dnn.bench.samples import Sample
from serverless_dnn.bench.server_logs import engine_facts, warnings
from serverless_dnn.bench.summary import engine_of
from serverless_dnn.client import ClientOptions
from serverless_dnn.models.registry import get_model
from serverless_dnn.models.workload import SAMPLE_CREDIT, make_request

if TYPE_CHECKING:
    from serverless_dnn.client.options import BodyFormat


@dataclass(frozen=True)
class RunOptions:
    """Every option of a run.

    Attributes:
        model: The model's name.
        photograph: What to send; ``None`` sends the sample photograph.
        platforms: Which platforms, in order.
        requests: Requests per experiment.
        engine: ``auto``, ``tensorflow`` or ``openvino``.
        body_format: Format of REST bodies.
        instances: Instance cap on platforms whose instances take one request at a time.
        models_dir: Holds one folder per model.
        runs_dir: Holds one folder per run.
    """

    model: str
    photograph: Path | None
    platforms: tuple[str, ...]
    requests: int
    engine: str
    body_format: str
    instances: int
    models_dir: Path
    runs_dir: Path


def run_main_job(options: RunOptions, console: Console) -> tuple[Path, Run, list[Sample]]:
    """Measure a model on the platforms and keep the results.

    Args:
        options: What to do.
        console: Shows the progress.

    Returns:
        The run's folder, the run, and its requests.

    Raises:
        BenchError: An option is invalid, a server fails to start, or the results cannot be written.
        ModelsError: There is no such model, or the photograph cannot be read.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    card = get_model(options.model)
    inputs = make_request(options.model, options.photograph)
    model_folder = export_if_missing(options.model, options.models_dir).resolve()
    http = ClientOptions(
        # The inputs are right, and the first call is to be timed, without another before it.
        check_inputs=False,
        body_format=cast("BodyFormat", options.body_format),
        output_name=card.outputs[0].name,
    )
    with partial_folder(options.runs_dir, options.model) as folder, _progress(console) as progress:
        deploy = DeployOptions(
            options.model, model_folder, folder / LOG_FOLDER, engine=options.engine, instances=options.instances
        )
        results: dict[str, PlatformResult] = {}
        platforms = []
        for name in options.platforms:
            task = progress.add_task(name, total=requests_in_all(options.requests, options.instances), part="starting")
            deployment = PLATFORMS[name](deploy)
            try:
                results[name] = measure_platform(
                    deployment,
                    inputs,
                    deploy,
                    http,
                    options.requests,
                    lambda part, task=task: progress.update(task, advance=1, part=part),  # type: ignore[misc]
                )
            finally:
                progress.update(task, part="stopping")
                deployment.stop()
                progress.update(task, part="")
            platforms.append(
                {
                    **asdict(deployment.facts),
                    "engine": engine_of(results[name].samples, name),
                    "engine_facts": engine_facts(folder / LOG_FOLDER, name),
                    "warnings": warnings(folder / LOG_FOLDER, name),
                }
            )
        samples = [sample for result in results.values() for sample in result.samples]
        difference, reasons = compare_outputs(results)
        run = Run(
            model=options.model,
            started=started,
            options={
                **asdict(options),
                **{key: str(value) for key, value in asdict(options).items() if isinstance(value, Path)},
            },
            photograph=SAMPLE_CREDIT if options.photograph is None else str(options.photograph),
            platforms=platforms,
            machine=describe_machine(),
            packages=package_versions(),
            git_revision=git_revision(),
            largest_difference=difference,
            reasons=[*reasons, *judge_samples(samples)],
        )
        write_run(folder, run, samples)
        write_report(folder)
        return finish_folder(folder), run, samples


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[part]}"),
        console=console,
    )
