"""A small run as version 1 wrote it: one cold start, three sequential requests and a burst of two on two platforms."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_MS = 1_000_000
_TEXT, _WHOLE = pa.string(), pa.int64()
_DURATIONS = (
    *("encode_ns", "wait_ns", "decode_ns", "server_decode_ns", "server_queue_ns", "server_compute_ns"),
    *("server_encode_ns", "server_total_ns"),
)
_COLD = ("cold_ns", "cold_import_ns", "cold_load_ns", "cold_warmup_ns")
SCHEMA = pa.schema(
    [
        *(pa.field(name, _TEXT, nullable=False) for name in ("platform", "experiment")),
        *(pa.field(name, _WHOLE, nullable=False) for name in ("index", "scheduled_ns", "latency_ns")),
        pa.field("status", _TEXT, nullable=False),
        pa.field("error", _TEXT),
        *(pa.field(name, _WHOLE) for name in ("bytes_sent", "bytes_received", *_DURATIONS)),
        pa.field("cold", pa.bool_(), nullable=False),
        *(pa.field(name, _WHOLE) for name in _COLD),
        *(pa.field(name, _TEXT) for name in ("instance", "engine")),
    ]
)
LIMITS = {
    "lambda": {"requests_per_instance": 1, "instances": 2, "memory_mb": "3008, not enforced"},
    "cloudrun": {"instances": 1, "concurrency": 80, "memory": "not enforced"},
}


def write_version_1(folder: Path, reasons: tuple[str, ...] = ()) -> None:
    """Write the run into a folder."""
    document = {
        "verdict": "INVALID" if reasons else "VALID",
        "model": "mobilenet_v1",
        "started": "2026-11-27T06:37:34+00:00",
        "options": {"model": "mobilenet_v1", "requests": 3, "engine": "auto", "body_format": "json", "instances": 2},
        "photograph": "Grace Hopper",
        "platforms": [
            _platform("lambda", "AWS Lambda, local", "function", "REST", "awslambdaric"),
            _platform("cloudrun", "Cloud Run, local", "container", "gRPC", "grpc.aio"),
        ],
        "machine": {"cpu": "Intel(R) Xeon(R) Processor", "isa": ["avx2"], "cores": 2, "memory_bytes": 25_276_063_744},
        "packages": {"numpy": "2.4.6"},
        "git_revision": "d332b482c573",
        "largest_difference": 1.5e-9,
        "reasons": list(reasons),
        "schema_version": 1,
    }
    (folder / "run.json").write_text(json.dumps(document))
    rows = [row for name, base_ms in (("lambda", 27), ("cloudrun", 7)) for row in _rows(name, base_ms)]
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    pq.write_table(pa.table(columns, schema=SCHEMA), folder / "requests.parquet")


def _platform(name: str, title: str, customization: str, protocol: str, server: str) -> dict[str, Any]:
    return {
        "name": name, "title": title, "customization": customization, "protocol": protocol, "model_server": server,
        "limits": LIMITS[name], "engine": "openvino 2026.4.1 f32", "engine_facts": {"name": "openvino"}, "warnings": [],
    }  # fmt: skip


def _rows(platform: str, base_ms: int) -> list[dict[str, Any]]:
    cold = {"cold": True, "cold_ns": 300 * _MS, "cold_import_ns": 60 * _MS, "cold_load_ns": 150 * _MS, "cold_warmup_ns": 30 * _MS,
            "engine": "openvino 2026.4.1 f32"}  # fmt: skip
    failed = dict.fromkeys(("bytes_sent", "bytes_received", *_DURATIONS, "instance"))
    return [
        _row(platform, "cold", 0, 400 * _MS) | cold,
        *(_row(platform, "warmup", index, 2 * base_ms * _MS) for index in range(2)),
        *(_row(platform, "sequential", index, (base_ms + index) * _MS) for index in range(3)),
        _row(platform, "burst", 0, 3 * base_ms * _MS),
        _row(platform, "burst", 1, 5 * _MS) | failed | {"status": "UNAVAILABLE", "error": "UNAVAILABLE: gone"},
    ]


def _row(platform: str, experiment: str, index: int, latency_ns: int) -> dict[str, Any]:
    absent = dict.fromkeys(SCHEMA.names)
    return absent | {
        "platform": platform, "experiment": experiment, "index": index, "scheduled_ns": 1000, "latency_ns": latency_ns,
        "status": "OK", "bytes_sent": 602_169, "bytes_received": 4072, "encode_ns": _MS // 2,
        "wait_ns": latency_ns - 2 * _MS, "decode_ns": _MS, "server_decode_ns": _MS // 2, "server_queue_ns": 1000,
        "server_compute_ns": 4 * _MS, "server_encode_ns": 2000, "server_total_ns": 5 * _MS, "cold": False,
        "instance": f"{platform}-1",
    }  # fmt: skip
