"""One request as it was measured: a row of ``requests.parquet``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from serverless_dnn.client import ClientError, Prediction, ServerError

Experiment = Literal["cold", "warmup", "sequential", "burst"]
OK = "OK"


@dataclass(frozen=True)
class Sample:
    """A request.

    Every duration is in whole nanoseconds of one machine's monotonic clock. What was not told is ``None``, never 0.

    Attributes:
        platform: ``lambda``, ``sagemaker`` or ``cloudrun``.
        experiment: Which part of the run it belongs to.
        index: Its number in that part.
        scheduled_ns: When it was due, since that part began.
        latency_ns: End to end, from when it was due to its arrays.
        status: ``OK``, the server's code, or the name of the client's error.
        error: The error's text.
        bytes_sent: The body's or message's size.
        bytes_received: Likewise.
        encode_ns: The client's arrays to bytes.
        wait_ns: The client's wait for the answer's bytes.
        decode_ns: The client's bytes to arrays.
        server_decode_ns: The server's bytes to arrays.
        server_queue_ns: The server's wait for a free place.
        server_compute_ns: The engine.
        server_encode_ns: The server's arrays to bytes.
        server_total_ns: All the server saw of the request.
        cold: Whether it was its instance's first answer.
        cold_ns: From the start of the instance's process to its readiness; told with its first answer, as are the next.
        cold_import_ns: Of that, importing libraries.
        cold_load_ns: Of that, loading the model.
        cold_warmup_ns: Of that, warming up.
        instance: The instance that answered.
        engine: What ran the model; told with an instance's first answer.
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
    """A request that is to be made.

    Attributes:
        platform: Where.
        experiment: In which part of the run.
        index: Its number in that part.
        scheduled_ns: When it is due, since that part began.
    """

    platform: str
    experiment: Experiment
    index: int
    scheduled_ns: int


def sample_of_prediction(slot: Slot, latency_ns: int, prediction: Prediction) -> Sample:
    """A request that was answered.

    Args:
        slot: The request.
        latency_ns: From when it was due to its arrays.
        prediction: The answer.

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
    """A request that failed.

    Args:
        slot: The request.
        latency_ns: From when it was due to its failure; never counted among the latencies.
        error: Why.

    Returns:
        The row.
    """
    status = error.code.name if isinstance(error, ServerError) else type(error).__name__
    return Sample(slot.platform, slot.experiment, slot.index, slot.scheduled_ns, latency_ns, status, str(error))
