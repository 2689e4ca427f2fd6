"""What has been measured so far: every step's requests, and what the platforms tell of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.errors import BenchError, LoadError
from serverless_dnn.bench.experiments.deployments import Deployment
from serverless_dnn.bench.experiments.failures import Failure
from serverless_dnn.bench.experiments.progress import RunProgress
from serverless_dnn.bench.load.generator import StepResult
from serverless_dnn.bench.load.generators import Generators
from serverless_dnn.bench.load.samples import OK, Experiment, Sample
from serverless_dnn.bench.load.steps import Step
from serverless_dnn.bench.recorded_run import RecordedInvocation, RecordedStep
from serverless_dnn.client import ClientError

Arrays = Mapping[str, NDArray[Any]]


@dataclass
class Measured:
    """What was measured so far.

    Attributes:
        samples: Every request.
        invocations: Every invocation that a platform told of.
        steps: Every step of load.
        outputs: An answer of each configuration, by label.
        hopeless: The configurations that answer nothing and were given up, by label.
        failures: The targets that failed and were given up, by the deployment's name.
        probes: What each amount of load led to.
    """

    samples: list[Sample] = field(default_factory=list)
    invocations: list[RecordedInvocation] = field(default_factory=list)
    steps: list[RecordedStep] = field(default_factory=list)
    outputs: dict[str, Arrays] = field(default_factory=dict)
    hopeless: set[str] = field(default_factory=set)
    failures: dict[str, Failure] = field(default_factory=dict)
    probes: list[Probe] = field(default_factory=list)

    def is_given_up(self, configuration: Configuration) -> bool:
        """Whether a configuration is not measured any more.

        Args:
            configuration: The configuration.
        """
        return configuration.label in self.hopeless or configuration.deployment in self.failures


class Recorder:
    """Sends steps, and keeps what comes of them.

    Args:
        generators: Send the load.
        progress: Told of every request.

    Attributes:
        generators: The same.
        progress: The same.
        measured: What was measured so far.
    """

    def __init__(self, generators: Generators, progress: RunProgress) -> None:
        self.generators, self.progress = generators, progress
        self.measured = Measured()

    @contextmanager
    def attempt(self, configuration: Configuration) -> Iterator[None]:
        """Measure a part of a configuration; if its target fails, it is given up, and the others are measured on.

        Args:
            configuration: The configuration.

        Yields:
            Nothing.

        Raises:
            LoadError: The generators failed, and without them there is nothing to go on with.
        """
        try:
            yield
        except LoadError:
            raise
        except (BenchError, ClientError) as error:
            self.measured.failures.setdefault(configuration.deployment, Failure(configuration.label, error))

    def run(
        self,
        step: Step,
        deployment: Deployment,
        set_apart: Callable[[Sample], str | None] = lambda _: None,
    ) -> list[Sample]:
        """Send a step's requests, and keep them.

        Args:
            step: The step.
            deployment: What it is sent to.
            set_apart: Why an answered request is not counted; ``None`` counts it.

        Returns:
            Its samples.
        """
        return self.keep(step, self.send(step, deployment), deployment, set_apart)

    def send(self, step: Step, deployment: Deployment) -> StepResult:
        """Send a step's requests.

        Args:
            step: The step.
            deployment: What it is sent to; what it did before is no part of the step.

        Returns:
            What came of it.
        """
        self.measured.invocations += deployment.news(step.configuration, "between steps", step.round).invocations
        return self.generators.run(step, self.advance(step))

    def keep(
        self, step: Step, result: StepResult, deployment: Deployment, set_apart: Callable[[Sample], str | None]
    ) -> list[Sample]:
        """Keep what a step led to, and what the platform tells of it.

        Args:
            step: The step.
            result: What it led to.
            deployment: What it was sent to.
            set_apart: Why an answered request is not counted; ``None`` counts it.

        Returns:
            Its samples.
        """
        samples = [
            replace(sample, set_apart=set_apart(sample)) if sample.status == OK else sample for sample in result.samples
        ]
        self.measured.samples += samples
        news = deployment.news(step.configuration, step.experiment, step.round)
        self.measured.invocations += news.invocations
        self.measured.steps.append(
            RecordedStep(
                step.configuration,
                step.experiment,
                step.round,
                len(samples),
                result.duration_ns,
                result.cpu_ns,
                news.cpu_ns,
            )
        )
        if result.outputs is not None:
            self.measured.outputs[step.configuration] = result.outputs
        return samples

    def advance(self, step: Step) -> Callable[[], None] | None:
        """What to call after each of a step's requests.

        Args:
            step: The step.
        """
        if step.experiment == "warmup":
            return None
        return lambda: self.progress.advance(step.configuration)

    def samples_of(self, configuration: Configuration, experiment: Experiment) -> Iterator[Sample]:
        """A configuration's requests of an experiment so far.

        Args:
            configuration: The configuration.
            experiment: The experiment.
        """
        return (
            sample
            for sample in self.measured.samples
            if (sample.configuration, sample.experiment) == (configuration.label, experiment)
        )

    def latencies_by_round(self, configuration: Configuration, experiment: Experiment) -> Sequence[Sequence[float]]:
        """The latencies of those that count, by round.

        Args:
            configuration: The configuration.
            experiment: The experiment.
        """
        rounds: dict[int, list[float]] = {}
        for sample in self.samples_of(configuration, experiment):
            if sample.is_counted:
                rounds.setdefault(sample.round, []).append(sample.latency_ns)
        return list(rounds.values())
