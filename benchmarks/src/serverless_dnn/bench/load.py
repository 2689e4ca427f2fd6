"""Two ways to send requests: one after another, and all at once."""

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
    """Send each request when the one before is answered: a closed loop with one in flight.

    Args:
        client: Sends them.
        inputs: The request.
        platform: Named in the samples.
        experiment: Likewise.
        requests: How many.
        on_sample: Told of each that is done.

    Returns:
        The samples, and the last outputs that came.
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
    """Send all requests at one moment, each from a thread of its own.

    Latency counts from that moment, so that a request this client could not send in time shows its wait.

    Args:
        client: Sends them; shared by the threads.
        inputs: The request.
        platform: Named in the samples.
        experiment: Likewise.
        requests: How many.
        on_sample: Told of each that is done.

    Returns:
        The samples in order, and the last outputs that came.
    """
    # All threads stand ready before the clock starts: starting them is not the platform's time.
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
