"""A server whose latencies are scripted, so that what is measured can be held against what is true.

It speaks TensorFlow Serving's Predict over gRPC. When a request arrives, its end is computed and not measured, so that
a late timer delays its own request and never the ones behind it. What became of each is told in ``server-timing``, with
the request's number as the instance, and once more when the server ends.
"""

import ctypes
import heapq
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import grpc
import numpy as np

from serverless_dnn.protos.predict_wire import encode_predict_response
from serverless_dnn.protos.v1 import model_spec_pb2

_MAX_THREADS = 1000
_PR_SET_TIMERSLACK = 29
_SERVICE = "tensorflow.serving.PredictionService"


@dataclass(frozen=True)
class Script:
    """What the server does.

    Attributes:
        service_ms: How long each request is served, in the order of arrival, again and again.
        places: How many are served at a time, first come, first served; ``None`` serves all at once.
        pause_at: The number of the request, from 0, with whose arrival a pause begins; ``None`` is no pause.
        pause_ms: Whatever is to begin during the pause begins at its end; what has begun goes on.
        refuse_every: The last of so many requests is refused at once; ``None`` refuses none.
    """

    service_ms: tuple[float, ...]
    places: int | None = None
    pause_at: int | None = None
    pause_ms: float = 0
    refuse_every: int | None = None


class Planned(NamedTuple):
    """What is to become of a request.

    Attributes:
        number: How many arrived before it.
        begin_ns: When it is to be served.
        end_ns: When it is to be answered.
        is_refused: Whether that is with an error.
    """

    number: int
    begin_ns: int
    end_ns: int
    is_refused: bool


class Timeline:
    """A queue with the script's places, in computed time.

    Args:
        script: The script.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._free_ns = [0] * (script.places or 0)
        self._pause_end_ns = 0
        self._arrived = 0

    def arrive(self, arrived_ns: int) -> Planned:
        """Let a request arrive.

        Args:
            arrived_ns: When, not before the previous one.

        Returns:
            What is to become of it.
        """
        script, number = self._script, self._arrived
        self._arrived += 1
        if script.refuse_every is not None and (number + 1) % script.refuse_every == 0:
            return Planned(number, arrived_ns, arrived_ns, is_refused=True)
        if number == script.pause_at:
            self._pause_end_ns = arrived_ns + round(script.pause_ms * 1e6)
        begin_ns = max(arrived_ns, self._free_ns[0] if self._free_ns else 0)
        # The only pause begins now or has begun, and nothing begins before now.
        begin_ns = max(begin_ns, self._pause_end_ns)
        end_ns = begin_ns + round(script.service_ms[number % len(script.service_ms)] * 1e6)
        if self._free_ns:
            heapq.heapreplace(self._free_ns, end_ns)
        return Planned(number, begin_ns, end_ns, is_refused=False)


def true_latencies_ns(script: Script, arrivals_ns: Sequence[int]) -> list[int]:
    """The latencies that the script means, without any network, client or scheduler.

    Args:
        script: The script.
        arrivals_ns: When each request is due.

    Returns:
        The latency of each.
    """
    timeline = Timeline(script)
    return [timeline.arrive(due_ns).end_ns - due_ns for due_ns in arrivals_ns]


@dataclass(frozen=True)
class Served:
    """What became of a request; times are on the clock of ``perf_counter_ns``, which processes share.

    Attributes:
        number: How many arrived before it.
        arrived_ns: When it arrived.
        begin_ns: When it was to be served.
        ended_ns: When its answer was ready.
        in_flight: How many were there when it arrived, itself included.
        body_sha256: The digest of its bytes.
    """

    number: int
    arrived_ns: int
    begin_ns: int
    ended_ns: int
    in_flight: int
    body_sha256: str


@dataclass(frozen=True)
class Running:
    """A synthetic server.

    Attributes:
        url: Where it listens.
        process: Its process.
    """

    url: str
    process: subprocess.Popen[bytes]

    def end(self) -> list[Served]:
        """End it.

        Returns:
            What became of each request, in the order of arrival.
        """
        output, _ = self.process.communicate()
        return [Served(**each) for each in json.loads(output)]


@contextmanager
def synthetic_server(script: Script) -> Iterator[Running]:
    """Start a server; it is ended on leaving, or when this process ends.

    Args:
        script: What it does.
    """
    command = [sys.executable, __file__, json.dumps(asdict(script))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield Running(f"grpc://127.0.0.1:{int(process.stdout.readline())}", process)
        finally:
            process.kill()


class _Server:
    """Answers requests, each in a thread that sleeps until its answer is due."""

    def __init__(self, script: Script) -> None:
        self.served: list[Served] = []
        self._timeline = Timeline(script)
        self._lock = threading.Lock()
        self._in_flight = 0
        self._reply = encode_predict_response(model_spec_pb2.ModelSpec(name="synthetic"), {"y": np.zeros(1, "f4")})

    def predict(self, body: bytes, context: Any) -> bytes:
        with self._lock:
            # Within the lock, so that the order of numbers is that of time.
            arrived_ns = time.perf_counter_ns()
            planned = self._timeline.arrive(arrived_ns)
            self._in_flight += 1
            in_flight = self._in_flight
        while (left_ns := planned.end_ns - time.perf_counter_ns()) > 0:
            time.sleep(left_ns / 1e9)
        with self._lock:
            self._in_flight -= 1
        digest = sha256(body).hexdigest()
        ended_ns = time.perf_counter_ns()
        self.served.append(Served(planned.number, arrived_ns, planned.begin_ns, ended_ns, in_flight, digest))
        if planned.is_refused:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the script says so")
        begin_ns = planned.begin_ns
        durations_ns = {"queue": begin_ns - arrived_ns, "compute": ended_ns - begin_ns, "total": ended_ns - arrived_ns}
        timing = ", ".join(f"{name};dur={duration_ns / 1e6:.6f}" for name, duration_ns in durations_ns.items())
        context.set_trailing_metadata((("server-timing", f'{timing}, instance;desc="{planned.number}"'),))
        return self._reply


def _main(script: Script) -> None:
    """Serve until the input ends; then print what became of each request."""
    # By default the kernel may wake a thread 50 microseconds late; threads inherit this.
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    ours = _Server(script)
    with ThreadPoolExecutor(_MAX_THREADS) as threads:
        server = grpc.server(threads, options=[("grpc.max_receive_message_length", -1)])
        handler = grpc.unary_unary_rpc_method_handler(ours.predict)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Predict": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        print(port, flush=True)
        sys.stdin.buffer.read()
        server.stop(None).wait()
    print(json.dumps([asdict(each) for each in sorted(ours.served, key=lambda each: each.number)]), flush=True)


if __name__ == "__main__":
    _main(Script(**json.loads(sys.argv[1])))
