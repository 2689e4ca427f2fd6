"""A run in the forms that other programs and pages read: JSON, CSV and Markdown."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import Any, Literal

from serverless_dnn.bench.analysis.probes import Probe
from serverless_dnn.bench.analysis.results import (
    COLD_PHASES,
    REQUEST_PARTS,
    ColdSummary,
    ConfigurationSummary,
    Estimate,
    RunSummary,
    WarmSummary,
)
from serverless_dnn.bench.recorded_run import RunData
from serverless_dnn.bench.report.markdown import to_markdown
from serverless_dnn.bench.report.wording import percentile_name

DocumentFormat = Literal["json", "csv", "markdown"]
DOCUMENT_VERSION = 1
CSV_PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)


def render(document_format: DocumentFormat, data: RunData, summary: RunSummary) -> str:
    """Write a run for another program.

    Args:
        document_format: ``json``, ``csv`` or ``markdown``.
        data: The run.
        summary: Its numbers.

    Returns:
        The text, with a final newline.
    """
    writers: Mapping[DocumentFormat, Callable[[RunData, RunSummary], str]] = {
        "json": to_json,
        "csv": to_csv,
        "markdown": to_markdown,
    }
    return writers[document_format](data, summary)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every JSON document of this version satisfies."""
    text = files("serverless_dnn.bench.report").joinpath("run-summary.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def to_json(data: RunData, summary: RunSummary) -> str:
    """A run's numbers as JSON; ``run-summary.schema.json`` says what each is.

    Args:
        data: The run.
        summary: Its numbers.

    Returns:
        The document. What was not measured is ``null``.
    """
    run = data.run
    document = {
        "document_version": DOCUMENT_VERSION,
        "kind": run.kind,
        "model": run.model,
        "model_source": run.model_source,
        "input": run.input,
        "started": run.started,
        "duration_s": run.duration_s,
        "verdict": run.verdict,
        "findings": [asdict(finding) for finding in run.findings],
        "largest_difference": run.largest_difference,
        "answer": summary.answer,
        "slo_p99_ms": summary.slo_p99_ms,
        "within_slo": list(summary.within_slo),
        "objective": dict(summary.objective),
        "choices": dict(summary.choices),
        "configurations": [_json_configuration(each) for each in summary.configurations],
        "ratios": [asdict(ratio) for ratio in summary.ratios],
        "cost_ratios": {label: asdict(ratio) for label, ratio in summary.cost_ratios.items()},
        "probes": [asdict(probe) for probe in run.probes],
        "machine": run.machine,
        "packages": run.packages,
        "git_revision": run.git_revision,
    }
    return json.dumps(document, indent=2, allow_nan=False, default=str) + "\n"


def _json_configuration(each: ConfigurationSummary) -> dict[str, Any]:
    measured = asdict(each.measured)
    configuration = measured.pop("configuration")
    return {
        **configuration,
        "engine_requested": configuration["engine"],
        **measured,
        "experiments": {name: _json_warm(warm) for name, warm in each.warm.items()},
        "cold_start": None if each.cold is None else _json_cold(each.cold),
        "cost": None if each.cost is None else _without_label(asdict(each.cost)),
        "floor_ms": each.floor_ms,
        "connect_ms": each.connect_ms,
        "max_memory_mb": each.max_memory_mb,
        "cpu_ms_per_request": each.cpu_ms_per_request,
    }


def _json_warm(warm: WarmSummary) -> dict[str, Any]:
    fields = _without_label(asdict(warm))
    del fields["experiment"]
    percentiles = {percentile_name(percent): asdict(value) for percent, value in warm.percentiles_ms.items()}
    counted = {"failures": dict(warm.failures), "set_apart": dict(warm.set_apart)}
    return {"requests_per_s": fields.pop("rate"), **fields, **counted, "percentiles_ms": percentiles}


def _json_cold(cold: ColdSummary) -> dict[str, Any]:
    # A Counter does not survive ``asdict``.
    return {**_without_label(asdict(cold)), "failures": dict(cold.failures)}


def _without_label(fields: dict[str, Any]) -> dict[str, Any]:
    del fields["label"]
    return fields


def to_csv(data: RunData, summary: RunSummary) -> str:
    """A run's numbers as CSV (RFC 4180): a row for each configuration and experiment, units in the columns' names.

    Args:
        data: The run.
        summary: Its numbers.

    Returns:
        The text. A number that was not measured, and what cannot be told, is an empty field.
    """
    rows = []
    for each in summary.configurations:
        common = {**_csv_configuration(summary, each), "verdict": data.run.verdict}
        parts = [{"experiment": name, **_csv_warm(warm)} for name, warm in each.warm.items()]
        parts += [_csv_probe(probe) for probe in data.run.probes if probe.configuration == each.label]
        rows += [{**common, **part} for part in parts] or [common]
    names = list(dict.fromkeys(["configuration", "experiment", *(name for row in rows for name in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _csv_configuration(summary: RunSummary, each: ConfigurationSummary) -> dict[str, object]:
    measured, cold, cost = each.measured, each.cold, each.cost
    configuration = measured.configuration
    usd = None if cost is None else cost.per_million_interval
    return {
        "configuration": each.label,
        "experiment": "",
        "platform": configuration.platform,
        "role": configuration.role,
        "memory_mb": configuration.memory_mb,
        "cpus": configuration.cpus,
        "instances": configuration.instances,
        "requests_per_instance": configuration.requests_per_instance,
        "engine": measured.engine,
        "body_format": configuration.body_format,
        "cache": configuration.cache,
        "request_bytes": measured.bytes_sent,
        "response_bytes": measured.bytes_received,
        "floor_ms": each.floor_ms,
        "connect_ms": each.connect_ms,
        "max_memory_mb": each.max_memory_mb,
        "cpu_ms_per_request": each.cpu_ms_per_request,
        "cold_starts": None if cold is None else cold.starts,
        "cold_failures": None if cold is None else sum(cold.failures.values()),
        **_csv_estimate("cold_p50", None if cold is None else cold.total_ms),
        **{f"cold_mean_{_column(name)}_ms": None if cold is None else cold.phases_ms.get(name) for name in COLD_PHASES},
        "billed_ms": None if cost is None else cost.billed_ms,
        "usd_per_million": None if cost is None else cost.per_million_usd,
        "usd_per_million_low": None if usd is None else usd.low,
        "usd_per_million_high": None if usd is None else usd.high,
        "usd_per_million_busy": None if cost is None else cost.per_million_busy_usd,
        "usd_per_million_instance_based": None if cost is None else cost.per_million_instance_based_usd,
        "usd_per_cold_start": None if cost is None else cost.cold_start_usd,
        "within_slo": {"kept": "true", "missed": "false"}.get(summary.objective.get(each.label, "undecided")),
    }


def _csv_probe(probe: Probe) -> dict[str, object]:
    row = {f"probe_{name}": value for name, value in asdict(probe).items() if name != "configuration"}
    keeps = probe.keeps_objective
    return {**row, "probe_keeps_objective": None if keeps is None else str(keeps).lower()}


def _csv_warm(warm: WarmSummary) -> dict[str, object]:
    row: dict[str, object] = {"requests": warm.requests, "failures": sum(warm.failures.values())}
    row["set_apart"] = sum(warm.set_apart.values())
    for percent in sorted({*CSV_PERCENTS, *warm.percentiles_ms}):
        row |= _csv_estimate(_column(percentile_name(percent)), warm.percentiles_ms.get(percent))
    row |= {"mean_ms": warm.mean_ms, "requests_per_s": warm.rate}
    row |= _csv_estimate("compute_p50", warm.compute_ms) | _csv_estimate("server_p50", warm.server_ms)
    row |= {f"mean_{_column(name)}_ms": warm.parts_ms.get(name) for name in REQUEST_PARTS}
    row["is_stable"] = None if warm.is_stable is None else str(warm.is_stable).lower()
    return row


def _csv_estimate(name: str, value: Estimate | None) -> dict[str, object]:
    between = None if value is None else value.interval
    return {
        f"{name}_ms": None if value is None else value.value,
        f"{name}_low_ms": None if between is None else between.low,
        f"{name}_high_ms": None if between is None else between.high,
    }


def _column(name: str) -> str:
    return re.sub(r"[ .-]", "_", name)
