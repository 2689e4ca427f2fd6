"""What each front door takes by itself: a null server behind it, asked with the same bodies and in the same rounds."""

from dataclasses import replace

from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.experiments.deployments import Deployments
from serverless_dnn.bench.load.generator import Call
from serverless_dnn.bench.load.generators import Generators
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.load.steps import ClosedLoop, Step
from serverless_dnn.client import RawResponse

REQUESTS_PER_ROUND = 10
_WARM_UP = 5
_SUFFIX = " (null server)"


class Floors:
    """The null servers of a run.

    Args:
        deployments: Start them.
        generators: Send the load.
    """

    def __init__(self, deployments: Deployments, generators: Generators) -> None:
        self._deployments, self._generators = deployments, generators
        self._prepared: set[str] = set()

    def prepare(self, configuration: Configuration, call: Call, response: RawResponse) -> None:
        """Start a configuration's null server, which answers with what the model answered.

        Args:
            configuration: The configuration.
            call: How it is called.
            response: The model's answer.

        Raises:
            StartError: It failed to start.
        """
        content_type = response.headers.get("content-type", "application/octet-stream")
        target = self._deployments.start_floor(configuration, response.body, content_type)
        self._generators.add(configuration.label + _SUFFIX, replace(call, url=target.url))
        self._prepared.add(configuration.label)
        self._generators.run(Step(configuration.label + _SUFFIX, "floor", 0, ClosedLoop(_WARM_UP)))

    def step(self, configuration: Configuration, number: int) -> Step | None:
        """The requests of a round; ``None`` if the configuration has no null server.

        Args:
            configuration: The configuration.
            number: The round.
        """
        if configuration.label not in self._prepared:
            return None
        return Step(configuration.label + _SUFFIX, "floor", number, ClosedLoop(REQUESTS_PER_ROUND))

    def run(self, step: Step) -> list[Sample]:
        """Send a round's requests.

        Args:
            step: The step.

        Returns:
            The samples, under the configuration's own label.
        """
        samples = self._generators.run(step).samples
        return [replace(sample, configuration=sample.configuration.removesuffix(_SUFFIX)) for sample in samples]
