"""Two load patterns: sequential requests, and a burst."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from numpy.typing import NDArray

from serverless_dnn.bench.samples import Experiment, Sample, Slot, sample_of_error, sample_of_prediction
from serverless_dnn.client import Client, ClientError

Arrays = Mapping[str, NDArray[Any]]


def send_in_sequence(
    client: Client, inputs: Arrays, platform: str, experiment: Experiment, requests: int, on_sample: Callable[[], None]
) -> tuple[list[Sample], Arrays | None]:
    """Send each request once the previous one is answered: a closed loop with one in flight.

    Args:
        client: Sends them.
        inputs: The request.
        platform: Platform name for the samples.
        experiment: Experiment name for the samples.
        requests: How many to send.
        on_sample: Called after each request.

    Returns:
        The samples, and the last outputs received.
    """
    samples, outputs = [], None
    begin_ns = time.perf_counter_ns()
    for index in range(requests):
        sample, answered = _send(
            client, inputs, Slot(platform, experiment, index, time.perf_counter_ns() - begin_ns), begin_ns
        )
        samples.append(sample)
        outputs = answered or outputs
        on_sample()
    return samples, outputs


def send_at_once(
    client: Client, inputs: Arrays, platform: str, experiment: Experiment, requests: int, on_sample: Callable[[], None]
) -> tuple[list[Sample], Arrays | None]:
    """Send all requests at the same instant, each from its own thread.

    Latency counts from that instant, so a request that this client could not send in time includes its wait.

    Args:
        client: Sends them; shared by the threads.
        inputs: The request.
        platform: Platform name for the samples.
        experiment: Experiment name for the samples.
        requests: How many to send.
        on_sample: Called after each request.

    Returns:
        The samples in order, and the last outputs received.
    """
    # All threads are ready before the clock starts, so that starting them is not charged to the platform.
    gate = threading.Barrier(requests + 1)
    begin_ns = 0

    def send(index: int) -> tuple[Sample, Arrays | None]:
        gate.wait()
        result = _send(client, inputs, Slot(platform, experiment, index, 0), begin_ns)
        on_sample()
        return result

    with ThreadPoolExecutor(requests) as threads:
        results = [threads.submit(send, index) for index in range(requests)]
        begin_ns = time.perf_counter_ns()
        gate.wait()
        done = [result.result() for result in results]
    return [sample for sample, _ in done], next((outputs for _, outputs in reversed(done) if outputs), None)


def _send(client: Client, inputs: Arrays, slot: Slot, begin_ns: int) -> tuple[Sample, Arrays | None]:
    try:
        prediction = client.predict(inputs)
    except ClientError as error:
        return sample_of_error(slot, time.perf_counter_ns() - begin_ns - slot.scheduled_ns, error), None
    latency_ns = time.perf_counter_ns() - begin_ns - slot.scheduled_ns
    return sample_of_prediction(slot, latency_ns, prediction), prediction.outputs
