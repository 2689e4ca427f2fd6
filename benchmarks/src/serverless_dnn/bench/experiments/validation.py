"""The simulation against reality: measure one configuration, predict other loads on it, and really send them.

The generator and the front door run on the same cores as the instances, which no cloud has. So the machine is simulated
as what it is (``simulation.local_machine``), and the loads take turns in rounds with what predicts them. The open loop
is predicted twice, as advice is: from the service times of another round under the same load, which a run with an open
loop gives advice, and from requests one after another, which is all that other runs give it.
"""

import json
import math
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from serverless_dnn.bench.analysis.joining import Rows
from serverless_dnn.bench.errors import BenchError, OptionError
from serverless_dnn.bench.experiments.options import RunOptions, Workload
from serverless_dnn.bench.experiments.run_experiment import run_experiment
from serverless_dnn.bench.machine import describe_machine
from serverless_dnn.bench.platforms import PLATFORMS
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.report.page import write_report
from serverless_dnn.bench.run_folder import finish_folder, partial_folder
from serverless_dnn.bench.simulation.measured_rounds import compare_runs
from serverless_dnn.bench.simulation.validation import TOLERANCE, PlatformValidation, Validation
from serverless_dnn.bench.whole_files import write_file

SCHEMA_VERSION = 1
VALIDATION_FILE = "validation.json"
BURST = 20
UTILIZATION = 0.6
"""The open loop's rate, as a share of what a closed loop is answered."""


@dataclass(frozen=True)
class ValidationOptions:
    """How the check is made.

    Attributes:
        platforms: The platforms' names.
        model: The model's name.
        model_path: The user's own SavedModel; ``None`` uses the paper's model of that name.
        engine: The engine.
        quick: Whether with fewer requests and rounds.
        models_dir: Exported models.
        runs_dir: Where its folder goes.
        seed: Of everything random.
    """

    platforms: tuple[str, ...]
    model: str = "mobilenet_v1"
    model_path: Path | None = None
    engine: str = "auto"
    quick: bool = False
    models_dir: Path = Path(".cache/models")
    runs_dir: Path = Path("runs")
    seed: int = 0

    @property
    def rounds(self) -> int:
        """In how many rounds the loads take turns; even, so that each has another one."""
        return 4 if self.quick else 12

    @property
    def cold_rounds(self) -> int:
        """How many bursts find no instance."""
        return 3 if self.quick else 12

    @property
    def requests(self) -> int:
        """How many requests are sent one after another."""
        return 80 if self.quick else 600

    @property
    def open_requests(self) -> int:
        """About how many are sent in the open loop."""
        return 400 if self.quick else 1200


def validate(options: ValidationOptions, console: Console) -> tuple[Path, Validation]:
    """Measure, predict, compare, and write ``validation.json`` beside the runs that it rests on.

    Args:
        options: How.
        console: Shows the progress.

    Returns:
        The folder, and what came of it.

    Raises:
        BenchError: A platform is unknown, a server fails to start, or nothing was answered.
        ModelsError: There is no such model.
        KeyboardInterrupt: It was interrupted; nothing is kept.
    """
    cores = len(os.sched_getaffinity(0))
    if unknown := [each for each in options.platforms if each not in PLATFORMS]:
        raise OptionError(f"{unknown[0]!r} is no platform on this machine: choose from {', '.join(PLATFORMS)}")
    model = options.model if options.model_path is None else options.model_path.resolve().name
    with partial_folder(options.runs_dir, f"{model}-validation") as folder:
        check = _Check(options, folder, cores, console)
        platforms = tuple(check.platform(platform) for platform in options.platforms)
        validation = Validation(model, options.seed, options.quick, describe_machine(), cores, platforms)
        _write(folder / VALIDATION_FILE, validation)
        return finish_folder(folder), validation


@dataclass(frozen=True)
class _Check:
    """Measures platforms into a folder, and compares.

    Attributes:
        options: How.
        folder: Where.
        cores: How many cores everything shares.
        console: Shows the progress.
    """

    options: ValidationOptions
    folder: Path
    cores: int
    console: Console

    def platform(self, name: str) -> PlatformValidation:
        """Check a platform."""
        options = self.options
        cpus = PLATFORMS[name].cpus_of(PLATFORMS[name].default_memory_mb)
        # One core is left for the front door and the generator.
        instances = max(1, math.floor(self.cores / cpus) - 1)
        workload = Workload(requests=options.requests, burst=BURST, seed=options.seed)
        bursts = replace(workload, is_burst_cold=True, cold_starts=options.cold_rounds, rounds=options.cold_rounds)
        cold = self._run(name, "cold", bursts, instances)
        alone_s = [each.sample.latency_ns / 1e9 for each in Rows(cold).counted_requests(name, "closed")]
        if not alone_s:
            raise BenchError(f"{name} answered nothing; what it was sent is not kept: try `sdnn-bench run {name}`")
        rate = UTILIZATION * instances / float(np.mean(alone_s))
        duration_s = options.open_requests / rate
        loop = replace(workload, rate=rate, duration_s=duration_s, cold_starts=1, rounds=options.rounds)
        warm = self._run(name, "warm", loop, instances)
        try:
            comparisons = compare_runs(name, cold, warm, instances, self.cores, options.seed)
        except ValueError as error:
            raise BenchError(f"{name}: {error}: try `sdnn-bench run {name}`") from None
        findings = dict.fromkeys(finding.code for data in (cold, warm) for finding in data.run.findings)
        return PlatformValidation(name, instances, rate, tuple(findings), comparisons)

    def _run(self, platform: str, name: str, workload: Workload, instances: int) -> RunData:
        self.console.print(f"{platform}, {name}", style="bold")
        options = RunOptions(
            targets=(platform,),
            workload=workload,
            model=self.options.model,
            model_path=self.options.model_path,
            engines=(self.options.engine,),
            instances=instances,
            with_json=False,
            with_empty_cache=False,
            with_floor=False,
            models_dir=self.options.models_dir,
            runs_dir=self.folder / platform / name,
        )
        finished = run_experiment(options, self.console)
        if finished.was_interrupted:
            raise KeyboardInterrupt
        if finished.failures:
            raise BenchError(f"{platform}: {finished.failures[0].problem}")
        write_report(finished.folder)
        return finished.data


def _write(path: Path, validation: Validation) -> None:
    verdict = "PASS" if validation.is_passed else "FAIL"
    document = {"schema_version": SCHEMA_VERSION, "tolerance": TOLERANCE, "verdict": verdict, **asdict(validation)}
    for platform, row in zip(validation.platforms, document["platforms"], strict=True):
        for comparison, fields in zip(platform.comparisons, row["comparisons"], strict=True):
            judged = ("error", "is_close", "is_carried", "decides")
            fields |= {name: getattr(comparison, name) for name in judged}
    write_file(path, json.dumps(document, indent=2, default=str) + "\n")
