"""Sends a step's requests from this process, and times them."""

import gc
import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from serverless_dnn.bench.errors import LoadError
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.load.sending import Arrays, Sending
from serverless_dnn.bench.load.steps import Step
from serverless_dnn.client import Client, ClientError, ClientOptions, EncodedRequest, S3Storage, connect

_PREFIX = "input "


@dataclass(frozen=True)
class Call:
    """How a configuration is called.

    Attributes:
        url: Its URL.
        model: The model's name.
        inputs_path: The inputs of one request, an npz file, which other processes can read as well.
        client_options: Fields of ``ClientOptions``, and in ``storage`` those of ``S3Storage``.
    """

    url: str
    model: str
    inputs_path: Path
    client_options: Mapping[str, Any] = field(default_factory=dict)

    def inputs(self) -> Arrays:
        """Read the inputs."""
        return read_inputs(self.inputs_path.read_bytes())

    def connect(self) -> Client:
        """Make a client.

        Raises:
            RequestError: The URL or an option is wrong.
        """
        options = dict(self.client_options)
        if storage := options.get("storage"):
            # Through JSON a tuple becomes a list.
            options["storage"] = S3Storage(**{**storage, "access_key": tuple(storage["access_key"])})
        return connect(self.url, self.model, ClientOptions(**options))

    def to_document(self) -> dict[str, Any]:
        """Write it for another process."""
        return {**asdict(self), "inputs_path": str(self.inputs_path)}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read what ``to_document`` wrote.

        Args:
            document: The document.

        Returns:
            The call.
        """
        return cls(**{**document, "inputs_path": Path(document["inputs_path"])})


def write_inputs(path: Path, inputs: Arrays) -> None:
    """Write the inputs of a request as an npz file.

    Args:
        path: The file.
        inputs: Arrays by name.
    """
    # Without a prefix, an input called `file` would be taken for an argument.
    np.savez(path, allow_pickle=False, **{f"{_PREFIX}{name}": array for name, array in inputs.items()})


def read_inputs(npz: bytes) -> Arrays:
    """Read what ``write_inputs`` wrote.

    Args:
        npz: The bytes of the file.

    Returns:
        Arrays by name.
    """
    with np.load(io.BytesIO(npz), allow_pickle=False) as arrays:
        return {name.removeprefix(_PREFIX): arrays[name] for name in arrays.files}


@dataclass(frozen=True)
class StepResult:
    """What a step led to.

    Attributes:
        samples: Every request, in the order of their indices.
        outputs: Outputs of an answered request; ``None`` if there is none, or if they are in another process.
        duration_ns: From its start until its last answer.
        cpu_ns: The CPU time that the generators used meanwhile.
    """

    samples: list[Sample]
    outputs: Arrays | None
    duration_ns: int
    cpu_ns: int


class Generator:
    """Sends load from this process; its connections are kept from step to step.

    Args:
        number: Which generator it is.
    """

    def __init__(self, number: int = 0) -> None:
        self._calls: dict[str, Call] = {}
        self._number = number
        self._inputs: dict[str, Arrays] = {}
        self._clients: dict[str, Client] = {}
        self._encoded: dict[str, EncodedRequest] = {}

    def add(self, label: str, call: Call, inputs: Arrays | None = None) -> None:
        """Learn how a configuration is called.

        Args:
            label: The configuration's label.
            call: How it is called.
            inputs: The inputs, where their file is on another machine.
        """
        self._calls[label] = call
        self._inputs[label] = call.inputs() if inputs is None else inputs
        self._encoded.pop(label, None)
        if (client := self._clients.pop(label, None)) is not None:
            client.close()

    def run(self, step: Step, on_sample: Callable[[], None] | None = None) -> StepResult:
        """Send a step's requests, and wait for all answers.

        Args:
            step: The step.
            on_sample: Called after each request.

        Returns:
            What came of it.

        Raises:
            LoadError: The requests cannot be made.
        """
        return self.prepare(step, on_sample)(None)

    def prepare(self, step: Step, on_sample: Callable[[], None] | None = None) -> Callable[[int | None], StepResult]:
        """Do all that comes before the first request.

        Args:
            step: The step.
            on_sample: Called after each request.

        Returns:
            Sends the requests and waits for all answers; takes when to begin on the clock of ``perf_counter_ns``, or
            ``None`` to begin at once.

        Raises:
            LoadError: The requests cannot be made.
        """
        label = step.configuration
        try:
            client = self._client(label)
            request = self._inputs[label] if step.encode_each else self._encode(label)
        except ClientError as error:
            raise LoadError(f"the requests to {label} cannot be made: {error}") from None
        sending = Sending(client, request, step, on_sample)

        def run(begin_ns: int | None) -> StepResult:
            with _undisturbed():
                cpu_ns = time.process_time_ns()
                sending.run(begin_ns)
                cpu_ns = time.process_time_ns() - cpu_ns
            samples = sending.samples(self._number)
            end_ns = max((sample.scheduled_ns + sample.latency_ns for sample in samples), default=0)
            return StepResult(samples, sending.outputs, end_ns, cpu_ns)

        return run

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _client(self, label: str) -> Client:
        if label not in self._clients:
            self._clients[label] = self._calls[label].connect()
        return self._clients[label]

    def _encode(self, label: str) -> EncodedRequest:
        if label not in self._encoded:
            self._encoded[label] = self._clients[label].encode(self._inputs[label])
        return self._encoded[label]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """The collector would stop all threads in the middle of a measurement."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
