"""One measured request: a row of ``requests.parquet``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from serverless_dnn.client import ClientError, Prediction, ServerError

Experiment = Literal["cold", "warmup", "sequential", "burst"]
OK = "OK"


@dataclass(frozen=True)
class Sample:
    """A request.

    Every duration is in whole nanoseconds of one machine's monotonic clock. Unreported values are ``None``, never 0.

    Attributes:
        platform: ``lambda``, ``sagemaker`` or ``cloudrun``.
        experiment: The experiment it belongs to.
        index: Its index in the experiment.
        scheduled_ns: When it was due, relative to the start of the experiment.
        latency_ns: End to end, from when it was due until its output arrays were decoded.
        status: ``OK``, the server's code, or the name of the client's error.
        error: The error message.
        bytes_sent: Size of the request body or message.
        bytes_received: Size of the response body or message.
        encode_ns: Client, arrays to bytes.
        wait_ns: Client, waiting for the response bytes.
        decode_ns: Client, bytes to arrays.
        server_decode_ns: Server, bytes to arrays.
        server_queue_ns: Server, waiting for a free engine slot.
        server_compute_ns: The engine.
        server_encode_ns: Server, arrays to bytes.
        server_total_ns: Total time the server spent on the request.
        cold: Whether this was its instance's first response.
        cold_ns: From process start to readiness; like the next three, reported with an instance's first response.
        cold_import_ns: The part of that spent importing libraries.
        cold_load_ns: The part spent loading the model.
        cold_warmup_ns: The part spent warming up.
        instance: The instance that responded.
        engine: The engine that ran the model; reported with an instance's first response.
    """

    platform: str
    experiment: Experiment
    index: int
    scheduled_ns: int
    latency_ns: int
    status: str
    error: str | None = None
    bytes_sent: int | None = None
    bytes_received: int | None = None
    encode_ns: int | None = None
    wait_ns: int | None = None
    decode_ns: int | None = None
    server_decode_ns: int | None = None
    server_queue_ns: int | None = None
    server_compute_ns: int | None = None
    server_encode_ns: int | None = None
    server_total_ns: int | None = None
    cold: bool = False
    cold_ns: int | None = None
    cold_import_ns: int | None = None
    cold_load_ns: int | None = None
    cold_warmup_ns: int | None = None
    instance: str | None = None
    engine: str | None = None


@dataclass(frozen=True)
class Slot:
    """A request to be sent.

    Attributes:
        platform: The platform.
        experiment: The experiment.
        index: Its index in the experiment.
        scheduled_ns: When it is due, relative to the start of the experiment.
    """

    platform: str
    experiment: Experiment
    index: int
    scheduled_ns: int


def sample_of_prediction(slot: Slot, latency_ns: int, prediction: Prediction) -> Sample:
    """The row of a successful request.

    Args:
        slot: The request.
        latency_ns: From when it was due until its output arrays were decoded.
        prediction: The response.

    Returns:
        The row.
    """
    timing = prediction.timing
    server = timing.server
    phases: Mapping[str, float] = server.phases_ms if server else {}

    def phase_ns(name: str) -> int | None:
        return round(phases[name] * 1e6) if name in phases else None

    return Sample(
        platform=slot.platform,
        experiment=slot.experiment,
        index=slot.index,
        scheduled_ns=slot.scheduled_ns,
        latency_ns=latency_ns,
        status=OK,
        bytes_sent=timing.bytes_sent,
        bytes_received=timing.bytes_received,
        encode_ns=timing.encode_ns,
        wait_ns=timing.wait_ns,
        decode_ns=timing.decode_ns,
        server_decode_ns=phase_ns("decode"),
        server_queue_ns=phase_ns("queue"),
        server_compute_ns=phase_ns("compute"),
        server_encode_ns=phase_ns("encode"),
        server_total_ns=phase_ns("total"),
        cold=server.is_cold if server else False,
        cold_ns=phase_ns("cold"),
        cold_import_ns=phase_ns("import"),
        cold_load_ns=phase_ns("load"),
        cold_warmup_ns=phase_ns("warmup"),
        instance=(server.instance or None) if server else None,
        engine=(server.engine or None) if server else None,
    )


def sample_of_error(slot: Slot, latency_ns: int, error: ClientError) -> Sample:
    """The row of a failed request.

    Args:
        slot: The request.
        latency_ns: From when it was due until it failed; never counted among the latencies.
        error: The failure.

    Returns:
        The row.
    """
    status = error.code.name if isinstance(error, ServerError) else type(error).__name__
    return Sample(slot.platform, slot.experiment, slot.index, slot.scheduled_ns, latency_ns, status, str(error))
