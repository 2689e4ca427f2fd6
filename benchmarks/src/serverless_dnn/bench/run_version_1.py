"""Reads runs of schema version 1, which knew three local platforms, two experiments and one round.

What version 1 did not record stays unknown: limits that were enforced, how long the run took, and its seed. Its phase
``import`` was the engine's import.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from serverless_dnn.bench.configuration import Configuration, Finding, MeasuredConfiguration
from serverless_dnn.bench.load.samples import Experiment, Sample
from serverless_dnn.bench.recorded_run import Run, RunData

_EXPERIMENTS: Mapping[str, Experiment] = {"cold": "cold", "warmup": "warmup", "sequential": "closed", "burst": "burst"}
_CUSTOMIZATIONS = {"endpoint": "model"}
_SAME = (
    *("index", "scheduled_ns", "latency_ns", "status", "error", "bytes_sent", "bytes_received"),
    *("encode_ns", "wait_ns", "decode_ns", "server_decode_ns", "server_queue_ns", "server_compute_ns"),
    *("server_encode_ns", "server_total_ns", "cold", "cold_ns", "cold_load_ns", "cold_warmup_ns", "instance", "engine"),
)
# Words of version 1's reasons, and the code that such a finding has now.
_CODES = (
    ("differ by", "OUTPUTS DIFFER"),
    ("return different outputs", "OUTPUTS DIFFER"),
    ("had answered before", "WRONG KIND"),
    ("after the warm-up", "WRONG KIND"),
)


def upgrade(document: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> RunData:
    """Read a run of version 1 as one of today.

    Args:
        document: Its ``run.json``.
        rows: Its ``requests.parquet``.

    Returns:
        The run; every platform is a configuration of the same name.

    Raises:
        KeyError: Something that version 1 always wrote is missing.
    """
    samples = [_sample(row) for row in rows]
    options = dict(document["options"])
    run = Run(
        kind="run",
        model=document["model"],
        model_source="exported",
        input=document["photograph"],
        started=document["started"],
        duration_s=None,
        seed=None,
        options=options,
        configurations=[_configuration(facts, options, samples) for facts in document["platforms"]],
        machine=dict(document["machine"]),
        machine_load={},
        packages=dict(document["packages"]),
        git_revision=document["git_revision"],
        largest_difference=document["largest_difference"],
        findings=[_finding(reason, document["platforms"]) for reason in document["reasons"]],
    )
    return RunData(run, samples)


def _sample(row: Mapping[str, Any]) -> Sample:
    return Sample(
        configuration=row["platform"],
        experiment=_EXPERIMENTS[row["experiment"]],
        round=0,
        sent_ns=_sent_ns(row),
        cold_engine_ns=row["cold_import_ns"],
        **{name: row[name] for name in _SAME},
    )


def _sent_ns(row: Mapping[str, Any]) -> int:
    """When it was sent: the client's own times end when the latency does. Of a failure it is known when it was due."""
    spent = (row["encode_ns"], row["wait_ns"], row["decode_ns"])
    if None in spent:
        return cast("int", row["scheduled_ns"])
    return cast("int", row["scheduled_ns"] + max(0, row["latency_ns"] - sum(spent)))


def _configuration(
    facts: Mapping[str, Any], options: Mapping[str, Any], samples: Iterable[Sample]
) -> MeasuredConfiguration:
    name, limits = facts["name"], facts["limits"]
    answered = [each for each in samples if each.configuration == name and each.is_counted]
    warm = [each for each in answered if each.experiment in ("closed", "burst")] or answered
    return MeasuredConfiguration(
        Configuration(
            label=name,
            deployment=name,
            platform=name,
            instances=limits.get("instances", options.get("instances", 1)),
            requests_per_instance=limits.get("requests_per_instance", limits.get("concurrency", 1)),
            engine=options.get("engine", "auto"),
            body_format="protobuf" if facts["protocol"] == "gRPC" else options.get("body_format", "json"),
            cache="empty",
        ),
        title=facts["title"].removesuffix(", local"),
        customization=_CUSTOMIZATIONS.get(facts["customization"], facts["customization"]),
        protocol=facts["protocol"],
        model_server=facts["model_server"],
        is_local=True,
        limits=limits,
        engine=facts.get("engine"),
        engine_facts=facts.get("engine_facts"),
        warnings=tuple(facts.get("warnings", ())),
        bytes_sent=warm[0].bytes_sent if warm else None,
        bytes_received=warm[0].bytes_received if warm else None,
    )


def _finding(reason: str, platforms: Iterable[Mapping[str, Any]]) -> Finding:
    code = next((code for words, code in _CODES if words in reason), "FAILED REQUESTS")
    whom = next((facts["name"] for facts in platforms if reason.startswith(f"{facts['name']}: ")), None)
    return Finding(code, "invalid", reason.removeprefix(f"{whom}: "), whom)
