"""What an experiment measures with: runs in a paper's folder, and notes of what could not be measured."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.errors import BenchError
from serverless_dnn.bench.experiments.options import RunOptions, Workload
from serverless_dnn.bench.experiments.paper.inputs import authors_input, goes_by_url
from serverless_dnn.bench.experiments.paper.options import PaperOptions
from serverless_dnn.bench.experiments.run_experiment import run_experiment
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.report.page import write_report
from serverless_dnn.client import ClientError
from serverless_dnn.models.errors import ModelsError

MEMORY_MB = 3072
"""The paper's 3 GB."""


@dataclass
class Session:
    """Measures into a paper's folder.

    Attributes:
        options: How the experiments are rerun.
        folder: The paper's folder.
        console: Shows the progress.
        problems: Why something was not measured.
    """

    options: PaperOptions
    folder: Path
    console: Console
    problems: list[str] = field(default_factory=list)

    @property
    def cores(self) -> int:
        """How many cores may be used."""
        return len(os.sched_getaffinity(0))

    def run(  # noqa: PLR0913 - what is measured, where and how often
        self,
        experiment: str,
        name: str,
        model: str,
        workload: Workload,
        *,
        configurations: tuple[Configuration, ...] = (),
        targets: tuple[str, ...] = (),
        engine: str = "auto",
        with_json: bool = False,
    ) -> None:
        """Measure one run of an experiment; what goes wrong is noted, and the others go on.

        Args:
            experiment: The experiment.
            name: The run's name in it.
            model: The model.
            workload: What is sent, and how often.
            configurations: What is measured.
            targets: Platforms to measure with the paper's memory, in place of that.
            engine: Their engine.
            with_json: Whether what JSON costs is measured beside, where bodies are within the platforms' limits.

        Raises:
            KeyboardInterrupt: It was interrupted.
        """
        self.console.print(f"{experiment}: {name}", style="bold")
        by_url = any(goes_by_url(model, target) for target in targets)
        options = RunOptions(
            targets=targets,
            configurations=tuple(replace(each, by_url=goes_by_url(model, each.platform)) for each in configurations),
            workload=workload,
            model=model,
            input=authors_input(model, self.folder),
            engines=(engine,),
            memories_mb=(MEMORY_MB,),
            with_json=with_json and not by_url,
            by_url=by_url,
            with_empty_cache=False,
            with_floor=False,
            models_dir=self.options.models_dir,
            runs_dir=self.folder / experiment / name,
        )
        try:
            finished = run_experiment(options, self.console)
            write_report(finished.folder)
        except (BenchError, ClientError, ModelsError) as error:
            self.note(f"{name}: {error}")
            return
        if finished.was_interrupted:
            raise KeyboardInterrupt
        for failure in finished.failures:
            self.note(f"{name}: {failure.problem}")

    def note(self, problem: str) -> None:
        """Note why something was not measured.

        Args:
            problem: Why.
        """
        self.problems.append(problem)
        self.console.print(problem, style="yellow", markup=False)


def local_configuration(
    label: str, platform: str, engine: str, *, cpus: float | None = None, memory_mb: int = MEMORY_MB, instances: int = 1
) -> Configuration:
    """A configuration of a platform on this machine.

    Args:
        label: Its name in the run.
        platform: The platform's name.
        engine: The engine.
        cpus: vCPUs where they can be chosen; ``None`` takes the fewest that the memory needs.
        memory_mb: Memory, at least.
        instances: The most instances.

    Raises:
        OptionError: The platform has no such instances.
    """
    declared = PLATFORMS[platform]
    memory_mb = declared.at_least_memory_mb(memory_mb)
    return Configuration(
        label=label,
        deployment=label,
        platform=platform,
        memory_mb=memory_mb,
        cpus=declared.cpus_of(memory_mb, cpus),
        instances=instances,
        engine=engine,
        body_format=declared.body_formats[0],
    )
