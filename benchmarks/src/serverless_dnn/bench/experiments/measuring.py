"""The measurement: after the start, rounds in which the configurations take turns."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from serverless_dnn.bench.analysis.steady import may_stop
from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.experiments.capacity import Prober, try_capacity
from serverless_dnn.bench.experiments.deployments import Deployment, Deployments
from serverless_dnn.bench.experiments.floors import Floors
from serverless_dnn.bench.experiments.options import Capacity
from serverless_dnn.bench.experiments.plan import Plan
from serverless_dnn.bench.experiments.progress import RunProgress
from serverless_dnn.bench.experiments.recording import Measured, Recorder
from serverless_dnn.bench.experiments.schedule import open_loop, share_of_round, turns
from serverless_dnn.bench.experiments.starting import Starting
from serverless_dnn.bench.load.arrivals import burst
from serverless_dnn.bench.load.generator import Call
from serverless_dnn.bench.load.generators import Generators
from serverless_dnn.bench.load.samples import Experiment, Sample
from serverless_dnn.bench.load.steps import ClosedLoop, OpenLoop, Step, closed_loop_title

_TRIES = 3
_MAX_PRECISE_ROUNDS = 200


class Measuring:
    """Measures a plan's configurations.

    Args:
        plan: The plan.
        deployments: Their targets.
        generators: Send the load.
        inputs_path: The inputs of one request, an npz file.
        output_name: Names the output where a response does not.
        progress: Told of every request.
    """

    def __init__(
        self,
        plan: Plan,
        deployments: Deployments,
        generators: Generators,
        inputs_path: Path,
        output_name: str | None,
        progress: RunProgress,
    ) -> None:
        self._plan, self._deployments = plan, deployments
        self._inputs_path, self._output_name = inputs_path, output_name
        self._recorder = Recorder(generators, progress)
        self._floors = Floors(deployments, generators)
        self._starting = Starting(plan, deployments, self._recorder, self._floors)

    @property
    def measured(self) -> Measured:
        """What was measured so far."""
        return self._recorder.measured

    def run(self) -> None:
        """Measure everything; what was measured is in ``measured``, also if this is interrupted."""
        begin_s = time.monotonic()
        calls = {each.label: self._call(each) for each in self._plan.configurations}
        for label, call in calls.items():
            self._recorder.generators.add(label, call)
        self._starting.cold_starts()
        for configuration in self._served():
            with self._recorder.attempt(configuration):
                self._starting.connections(configuration)
                self._starting.warm_up(configuration)
        # Where nothing is to be warm, an answer would start what nobody asked for.
        if self._plan.options.workload.warm_up_requests != 0:
            for configuration in self._served():
                with self._recorder.attempt(configuration):
                    self._starting.answer(configuration, calls[configuration.label])
        if self._plan.options.capacity is not None:
            for configuration in self._served():
                with self._recorder.attempt(configuration):
                    self._try_capacity(configuration, self._plan.options.capacity)
            return
        number = 0
        while self._wants_round(number, time.monotonic() - begin_s):
            for configuration in turns(self._served(), number):
                with self._recorder.attempt(configuration):
                    self._round(configuration, number)
            number += 1
        for configuration in self._plan.configurations:
            is_given_up = self.measured.is_given_up(configuration)
            self._recorder.progress.begin(configuration.label, "given up" if is_given_up else "")

    def _call(self, configuration: Configuration) -> Call:
        url = self._deployments.start(configuration).url
        return self._deployments.call(configuration, url, self._inputs_path, self._output_name)

    def _try_capacity(self, configuration: Configuration, capacity: Capacity) -> None:
        deployment = self._deployments.start(configuration)
        self._recorder.progress.begin(configuration.label, f"{capacity.quantity} it carries")

        def keep(samples: Sequence[Sample]) -> None:
            self.measured.samples += samples
            self.measured.invocations += deployment.news(configuration.label, "open", samples[0].round).invocations
            self._recorder.progress.extend(configuration.label, len(samples))

        prober = Prober(
            self._recorder.generators,
            configuration.label,
            capacity.quantity,
            capacity.duration_s,
            self._plan.options.slo_p99_ms,
            self._plan.options.workload.seed,
            keep,
        )
        self.measured.probes += try_capacity(prober, capacity)

    def _served(self) -> list[Configuration]:
        """Those that serve more than cold starts."""
        return [
            each for each in self._plan.configurations if each.cache == "filled" and not self.measured.is_given_up(each)
        ]

    def _wants_round(self, number: int, elapsed_s: float) -> bool:
        workload = self._plan.options.workload
        if not self._served() or (workload.max_time_s is not None and elapsed_s > workload.max_time_s and number):
            return False
        if workload.precision is None:
            return number < workload.rounds
        if number >= _MAX_PRECISE_ROUNDS:
            return False
        experiment: Experiment = "closed" if workload.requests else "open" if self._plan.open_requests else "burst"
        return not all(
            may_stop(self._recorder.latencies_by_round(each, experiment), workload.precision)
            for each in self._served()
            if each.role == "compared"
        )

    def _round(self, configuration: Configuration, number: int) -> None:
        deployment = self._deployments.start(configuration)
        workload = self._plan.options.workload
        label = configuration.label
        requests = share_of_round(self._plan.requests_of(configuration), workload.rounds, number)
        if requests:
            self._recorder.progress.begin(label, closed_loop_title(workload.concurrency))
            self._closed_round(configuration, deployment, number, requests)
        if floor := self._floors.step(configuration, number):
            self._recorder.progress.begin(label, "front-door floor")
            self.measured.samples += self._floors.run(floor)
        if configuration.role != "compared":
            return
        if workload.burst and (workload.burst_rounds is None or number < workload.burst_rounds):
            self._burst(configuration, deployment, number)
        if (load_or_none := open_loop(workload, number, self._plan.recorded_ns)) is not None:
            rate = "as recorded" if workload.rate is None else f"{workload.rate:g} requests/s"
            self._recorder.progress.begin(label, rate)
            self._recorder.run(Step(label, "open", number, load_or_none), deployment, _warm_only)

    def _closed_round(self, configuration: Configuration, deployment: Deployment, number: int, requests: int) -> None:
        missing, first = requests, 0
        for _ in range(_TRIES):
            load = ClosedLoop(missing, concurrency=self._plan.options.workload.concurrency)
            # What a request takes includes encoding it, as in an application.
            step = Step(configuration.label, "closed", number, load, first_index=first, encode_each=True)
            samples = self._recorder.run(step, deployment, _warm_only)
            first += missing
            missing = sum(sample.set_apart is not None for sample in samples)
            if not missing:
                return

    def _burst(self, configuration: Configuration, deployment: Deployment, number: int) -> None:
        workload = self._plan.options.workload
        load = OpenLoop(burst(workload.burst), max_in_flight=workload.burst)
        step = Step(configuration.label, "burst", number, load)
        if not workload.is_burst_cold:
            self._recorder.progress.begin(configuration.label, "all at once")
            self._repeat_if_cold(step, deployment)
            return
        self._recorder.progress.begin(configuration.label, "all at once, no instance")
        if deployment.target.scale_to_zero():
            self._recorder.run(step, deployment)

    def _repeat_if_cold(self, step: Step, deployment: Deployment) -> None:
        """A burst that starts an instance is no warm burst, and all its requests are set apart."""
        for _ in range(_TRIES):
            result = self._recorder.send(step, deployment)
            is_warm = not any(sample.cold for sample in result.samples)
            reason = None if is_warm else "an instance started during the burst"
            self._recorder.keep(step, result, deployment, lambda _, reason=reason: reason)  # type: ignore[misc]
            if is_warm:
                return
            step = replace(step, first_index=step.first_index + len(result.samples))


def _warm_only(sample: Sample) -> str | None:
    return "an instance's first answer" if sample.cold else None
