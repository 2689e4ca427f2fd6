"""One measured request: a row of ``requests.parquet``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from serverless_dnn.client import ClientError, Prediction, ServerError

Experiment = Literal["cold", "warmup", "closed", "burst", "open", "floor", "connect"]
OK = "OK"
TOO_LARGE = "TOO_LARGE"
"""The status of a request, or of its response, that is larger than the platform takes."""
_TOO_LARGE_STATUS = 413


def _column(meaning: str, unit: str = "", default: Any = None) -> Any:
    return field(default=default, metadata={"meaning": meaning, "unit": unit})


@dataclass(frozen=True)
class Sample:
    """A request. Unreported values are ``None``, never 0; durations are whole nanoseconds of one monotonic clock.

    Attributes:
        configuration: The label of what was measured.
        experiment: The experiment it belongs to.
        round: The round of the experiment, from 0.
        index: Its index in the round.
        scheduled_ns: When it was due, relative to the start of the round.
        sent_ns: When the generator began to send it, relative to the start of the round.
        latency_ns: End to end, from when it was due until its output arrays were decoded.
        status: ``OK``, ``TOO_LARGE``, the server's code, or the name of the client's error.
    """

    configuration: str = field(metadata={"meaning": "label of what was measured", "unit": ""})
    experiment: Experiment = field(
        metadata={"meaning": "cold, warmup, closed, burst, open, floor or connect", "unit": ""}
    )
    round: int = field(metadata={"meaning": "round of the experiment, from 0", "unit": ""})
    index: int = field(metadata={"meaning": "index in the round, from 0", "unit": ""})
    scheduled_ns: int = field(metadata={"meaning": "when it was due, from the start of the round", "unit": "ns"})
    sent_ns: int = field(metadata={"meaning": "when the generator began to send it", "unit": "ns"})
    latency_ns: int = field(metadata={"meaning": "end to end, from when it was due until it was decoded", "unit": "ns"})
    status: str = field(metadata={"meaning": "OK, TOO_LARGE, the server's code, or the client's error", "unit": ""})
    error: str | None = _column("the error message")
    set_apart: str | None = _column("why it is not counted, such as a cold one among the warm")
    generator: int = _column("number of the generator process", default=0)
    bytes_sent: int | None = _column("size of the request body or message", "bytes")
    bytes_received: int | None = _column("size of the response body or message", "bytes")
    encode_ns: int | None = _column("client: arrays to bytes; absent if encoded beforehand", "ns")
    wait_ns: int | None = _column("client: from sending the request to having the response", "ns")
    decode_ns: int | None = _column("client: bytes to arrays", "ns")
    server_decode_ns: int | None = _column("server: bytes to arrays", "ns")
    server_queue_ns: int | None = _column("server: waiting for a thread and for the engine", "ns")
    server_compute_ns: int | None = _column("server: one call of the signature", "ns")
    server_encode_ns: int | None = _column("server: arrays to bytes", "ns")
    server_total_ns: int | None = _column("server: from arrival to response", "ns")
    cold: bool = _column("whether this was its instance's first response", default=False)
    cold_ns: int | None = _column("cold start: from process start to readiness", "ns")
    cold_interpreter_ns: int | None = _column("cold start: until the server's own code runs", "ns")
    cold_import_ns: int | None = _column("cold start: importing the server and its libraries", "ns")
    cold_engine_ns: int | None = _column("cold start: importing the engine", "ns")
    cold_load_ns: int | None = _column("cold start: loading the model", "ns")
    cold_warmup_ns: int | None = _column("cold start: running the warm-up requests", "ns")
    instance: str | None = _column("the instance that responded")
    engine: str | None = _column("the engine; reported with an instance's first response")

    @property
    def is_counted(self) -> bool:
        """Whether it succeeded and is of the right kind."""
        return self.status == OK and self.set_apart is None


COLUMNS: Mapping[str, Mapping[str, str]] = {column.name: dict(column.metadata) for column in fields(Sample)}
"""The meaning and the unit of each column."""


@dataclass(frozen=True)
class Slot:
    """A request to be sent.

    Attributes:
        configuration: The label of what is measured.
        experiment: The experiment.
        round: The round.
        index: Its index in the round.
        scheduled_ns: When it is due, relative to the start of the round.
    """

    configuration: str
    experiment: Experiment
    round: int
    index: int
    scheduled_ns: int


def sample_of_prediction(slot: Slot, sent_ns: int, latency_ns: int, prediction: Prediction) -> Sample:
    """The row of a successful request.

    Args:
        slot: The request.
        sent_ns: When the generator began to send it, relative to the start of the round.
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
        configuration=slot.configuration,
        experiment=slot.experiment,
        round=slot.round,
        index=slot.index,
        scheduled_ns=slot.scheduled_ns,
        sent_ns=sent_ns,
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
        cold_interpreter_ns=phase_ns("interpreter"),
        cold_import_ns=phase_ns("import"),
        cold_engine_ns=phase_ns("engine-import"),
        cold_load_ns=phase_ns("load"),
        cold_warmup_ns=phase_ns("warmup"),
        instance=(server.instance or None) if server else None,
        engine=(server.engine or None) if server else None,
    )


def sample_of_error(slot: Slot, sent_ns: int, latency_ns: int, error: ClientError) -> Sample:
    """The row of a failed request.

    Args:
        slot: The request.
        sent_ns: When the generator began to send it, relative to the start of the round.
        latency_ns: From when it was due until it failed; never counted among the latencies.
        error: The failure.

    Returns:
        The row.
    """
    if error.http_status == _TOO_LARGE_STATUS:
        status = TOO_LARGE
    else:
        status = error.code.name if isinstance(error, ServerError) else type(error).__name__
    return Sample(
        slot.configuration,
        slot.experiment,
        slot.round,
        slot.index,
        slot.scheduled_ns,
        sent_ns,
        latency_ns,
        status,
        str(error),
    )
