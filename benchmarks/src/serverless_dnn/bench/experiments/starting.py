"""What comes before the rounds: forced cold starts, connections, and the warm-up."""

from dataclasses import replace

from serverless_dnn.bench.analysis.steady import has_settled
from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.experiments.deployments import Deployments
from serverless_dnn.bench.experiments.floors import Floors
from serverless_dnn.bench.experiments.plan import Plan
from serverless_dnn.bench.experiments.recording import Recorder
from serverless_dnn.bench.experiments.schedule import turns
from serverless_dnn.bench.load.arrivals import burst
from serverless_dnn.bench.load.generator import Call
from serverless_dnn.bench.load.samples import OK, TOO_LARGE, Sample
from serverless_dnn.bench.load.steps import ClosedLoop, OpenLoop, Step
from serverless_dnn.bench.targets.remote import connect_ns
from serverless_dnn.client import ClientError

WARM_UP_WINDOW = 5
CONNECTIONS = 7
MAX_WARM_UP_WINDOWS = 12
"""Whoever has not settled by then is measured all the same; that it is unstable shows in the rounds."""
_TRIES = 3
# A configuration that fails so often when it should start will not do better.
_HOPELESS = 2


class Starting:
    """Starts a plan's configurations, and warms them up.

    Args:
        plan: The plan.
        deployments: Their targets.
        recorder: Sends the load.
        floors: Gets the null servers.
    """

    def __init__(self, plan: Plan, deployments: Deployments, recorder: Recorder, floors: Floors) -> None:
        self._plan, self._deployments, self._recorder, self._floors = plan, deployments, recorder, floors

    def cold_starts(self) -> None:
        """Force every configuration's cold starts, in turns."""
        plan, measured = self._plan, self._recorder.measured
        for number in range(max(map(plan.cold_starts_of, plan.configurations), default=0)):
            for configuration in turns(plan.configurations, number):
                if number < plan.cold_starts_of(configuration) and not measured.is_given_up(configuration):
                    with self._recorder.attempt(configuration):
                        self._cold_start(configuration, number)

    def _cold_start(self, configuration: Configuration, number: int) -> None:
        deployment = self._deployments.start(configuration)
        self._recorder.progress.begin(configuration.label, "cold start")
        for _ in range(_TRIES):
            # Nobody can force a remote platform to begin anew.
            if not deployment.target.scale_to_zero():
                return
            step = Step(configuration.label, "cold", number, ClosedLoop(1))
            [sample] = self._recorder.run(step, deployment, lambda sample: None if sample.cold else "not a cold start")
            if sample.status != OK or sample.cold:
                break
        failed = [each for each in self._recorder.samples_of(configuration, "cold") if each.status != OK]
        if len(failed) >= min(_HOPELESS, self._plan.cold_starts_of(configuration)):
            self._recorder.measured.hopeless.add(configuration.label)
            # Other ways of calling the same instances will fare no better.
            self._recorder.measured.hopeless |= {
                each.label
                for each in self._plan.configurations
                if each.deployment == configuration.deployment and sample.status != TOO_LARGE
            }

    def connections(self, configuration: Configuration) -> None:
        """See what opening a connection takes, which no other request is charged with.

        Args:
            configuration: The configuration.
        """
        if configuration.role != "compared":
            return
        url = self._deployments.start(configuration).url
        for index in range(CONNECTIONS):
            if (latency_ns := connect_ns(url)) is None:
                return
            self._recorder.measured.samples.append(
                Sample(configuration.label, "connect", 0, index, 0, 0, latency_ns, OK)
            )

    def warm_up(self, configuration: Configuration) -> None:
        """Send requests until every instance runs and latencies have settled.

        Args:
            configuration: The configuration.
        """
        deployment = self._deployments.start(configuration)
        label = configuration.label
        self._recorder.progress.begin(label, "warm-up")
        if (requests := self._plan.options.workload.warm_up_requests) == 0:
            return
        # Twice as many as it takes to start every instance, so that each has answered more than once.
        places = configuration.instances * configuration.requests_per_instance
        if requests is None or places > 1:
            self._recorder.run(Step(label, "warmup", 0, OpenLoop(burst(2 * places))), deployment)
        windows: list[list[float]] = []
        for number in range(1, MAX_WARM_UP_WINDOWS + 1):
            samples = self._recorder.run(
                Step(label, "warmup", number, ClosedLoop(requests or WARM_UP_WINDOW)), deployment
            )
            if not any(sample.status == OK for sample in samples):
                self._recorder.measured.hopeless.add(label)
                return
            windows.append([sample.latency_ns for sample in samples if sample.is_counted])
            if requests is not None or has_settled(windows):
                return

    def answer(self, configuration: Configuration, call: Call) -> None:
        """Get one answer in full: for comparing the outputs, and for the null server to repeat.

        Args:
            configuration: The configuration.
            call: How it is called.

        Raises:
            StartError: The null server failed to start.
        """
        deployment = self._deployments.start(configuration)
        options = {**call.client_options, "keep_response": True}
        try:
            with replace(call, client_options=options).connect() as client:
                prediction = client.predict(call.inputs())
        except ClientError:
            # It shows among the configuration's own requests; without an answer there is nothing to compare.
            return
        self._recorder.measured.outputs[configuration.label] = prediction.outputs
        assert prediction.response is not None
        # A null server would have to read and write the object store as well.
        if self._plan.options.with_floor and configuration.url is None and not configuration.by_url:
            self._recorder.progress.begin(configuration.label, "front-door floor")
            self._floors.prepare(configuration, call, prediction.response)
        self._recorder.measured.invocations += deployment.news(configuration.label, "warmup", 0).invocations
