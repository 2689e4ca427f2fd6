"""One step under way in this process: each request is sent by a thread that does nothing else until it is answered."""

import ctypes
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from numpy.typing import NDArray

from serverless_dnn.bench.errors import LoadError
from serverless_dnn.bench.load.samples import Sample, Slot, sample_of_error, sample_of_prediction
from serverless_dnn.bench.load.steps import ClosedLoop, Step
from serverless_dnn.client import Client, ClientError, EncodedRequest, Prediction

Arrays = Mapping[str, NDArray[Any]]
# Long enough for the first sender to be waiting when the first request is due.
_LEAD_NS = 5_000_000
# How soon a sender that waits for a request far ahead sees that it is no longer wanted.
_LONGEST_SLEEP_S = 0.1
_PR_SET_TIMERSLACK = 29
_prctl = ctypes.CDLL(None).prctl


class _Sent(NamedTuple):
    """What became of a request; made a sample once nothing is being measured any more.

    Attributes:
        slot: The request.
        sent_ns: When it was begun to be sent, from the start.
        latency_ns: From when it was due.
        result: Without the outputs.
    """

    slot: Slot
    sent_ns: int
    latency_ns: int
    result: Prediction | ClientError


class Sending:
    """A step whose senders are waiting for it to begin.

    The senders take turns. The one whose turn it is takes the next request, waits until it is due, lets the next sender
    have its turn, and sends it. So only one is woken at a time, however many there are for when answers are slow.

    Args:
        client: Sends the requests.
        request: What each request is; arrays are encoded for each.
        step: The step.
        on_sample: Called after each request.

    Raises:
        LoadError: So many threads cannot be started.

    Attributes:
        outputs: Outputs of an answered request; ``None`` if there is none.
    """

    def __init__(
        self, client: Client, request: Arrays | EncodedRequest, step: Step, on_sample: Callable[[], None] | None
    ) -> None:
        self._client, self._request, self._step, self._on_sample = client, request, step, on_sample
        self.outputs: Arrays | None = None
        self._sent: list[_Sent] = []
        self._failure: BaseException | None = None
        self._is_stopped = False
        self._next_number = 0
        self._begin_ns = 0
        self._turn = threading.Lock()
        self._turn.acquire()
        load = step.load
        senders = load.concurrency if isinstance(load, ClosedLoop) else min(load.max_in_flight, len(load.arrivals_ns))
        # All are there before the clock starts, so that starting them is not charged to anyone.
        self._threads = [threading.Thread(target=self._work, name="sender", daemon=True) for _ in range(senders)]
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError:
            self._is_stopped = True
            self._turn.release()
            raise LoadError(
                f"this machine does not let a process start {senders} threads, one for each request under way: send "
                "fewer at once, or from more generators"
            ) from None

    def run(self, begin_ns: int | None) -> None:
        """Send the requests, and wait for all answers.

        Args:
            begin_ns: When to begin, on the clock of ``perf_counter_ns``; ``None`` begins at once.
        """
        self._begin_ns = time.perf_counter_ns() + _LEAD_NS if begin_ns is None else begin_ns
        self._turn.release()
        try:
            for thread in self._threads:
                thread.join()
        finally:
            # Interrupted: what is under way ends with the connection.
            self._is_stopped = True
        if self._failure is not None:
            raise self._failure

    def samples(self, generator: int) -> list[Sample]:
        """Every request, in the order of their indices.

        Args:
            generator: Which generator this is.
        """
        return sorted((self._sample(sent, generator) for sent in self._sent), key=lambda sample: sample.index)

    def _work(self) -> None:
        # By default the kernel may wake a thread 50 microseconds late.
        _prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
        try:
            while (slot := self._take()) is not None:
                self._send(slot)
        except BaseException as error:  # noqa: BLE001 - raised by `run`
            self._failure = error
            self._is_stopped = True

    def _take(self) -> Slot | None:
        """Wait until the next request is due; ``None`` if there is none."""
        with self._turn:
            number, load = self._next_number, self._step.load
            if isinstance(load, ClosedLoop):
                scheduled_ns = max(0, time.perf_counter_ns() - self._begin_ns)
                has_ended = (load.requests is not None and number >= load.requests) or (
                    load.duration_s is not None and scheduled_ns >= load.duration_s * 1e9
                )
            elif has_ended := number >= len(load.arrivals_ns):
                scheduled_ns = 0
            else:
                scheduled_ns = load.arrivals_ns[number]
            if has_ended or not self._wait_until(self._begin_ns + scheduled_ns):
                return None
            self._next_number += 1
        return self._step.slot(number, scheduled_ns)

    def _wait_until(self, time_ns: int) -> bool:
        """Whether the request is still wanted by then."""
        while not self._is_stopped and (left_ns := time_ns - time.perf_counter_ns()) > 0:
            time.sleep(min(left_ns / 1e9, _LONGEST_SLEEP_S))
        return not self._is_stopped

    def _send(self, slot: Slot) -> None:
        result: Prediction | ClientError
        due_ns = self._begin_ns + slot.scheduled_ns
        sent_ns = time.perf_counter_ns()
        try:
            prediction = self._client.predict(self._request)
        except ClientError as error:
            latency_ns = time.perf_counter_ns() - due_ns
            result = error
        else:
            latency_ns = time.perf_counter_ns() - due_ns
            self.outputs = prediction.outputs
            result = Prediction({}, prediction.timing, prediction.model, prediction.version)
        self._sent.append(_Sent(slot, sent_ns - self._begin_ns, latency_ns, result))
        if self._on_sample is not None:
            self._on_sample()

    def _sample(self, sent: _Sent, generator: int) -> Sample:
        if isinstance(sent.result, ClientError):
            sample = sample_of_error(sent.slot, sent.sent_ns, sent.latency_ns, sent.result)
            return replace(sample, generator=generator)
        sample = sample_of_prediction(sent.slot, sent.sent_ns, sent.latency_ns, sent.result)
        return replace(sample, generator=generator, encode_ns=sample.encode_ns if self._step.encode_each else None)
