"""Explain which engine a model gets, and why, operator by operator.

Run as ``python -m serverless_dnn.runtime.commands.explain_model MODEL``.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from serverless_dnn.runtime.commands.command_line import exit_on_serving_error
from serverless_dnn.runtime.engines.openvino.proof.analysis import Analysis
from serverless_dnn.runtime.engines.openvino.proof.guards import Guard
from serverless_dnn.runtime.engines.openvino.proof.prover import analyse
from serverless_dnn.runtime.saved_model.model_folder import discover_models, list_versions
from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, Signature, read_signatures

_PROVEN = "proven"


@click.command(
    epilog="Example: python -m serverless_dnn.runtime.commands.explain_model models/mobilenet_v1",
    context_settings={"max_content_width": 120},
)
@click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per version instead.")
def main(*, folder: Path, as_json: bool) -> None:
    """Explain which engine `--engine auto` picks for MODEL: a version's folder, a model's, or a folder of models.

    Needs neither TensorFlow nor OpenVINO.
    """
    with exit_on_serving_error("explain_model"):
        for name, version_folder in _versions(folder):
            signatures = read_signatures(version_folder)
            analysis = analyse(version_folder, signatures)
            told = {"model": name, **_explanation(signatures, analysis)}
            click.echo(json.dumps(told) if as_json else "\n".join(_lines(told)))


def _versions(folder: Path) -> Iterator[tuple[str, Path]]:
    if (folder / "saved_model.pb").is_file():
        yield str(folder), folder
        return
    for name, model_folder in discover_models(folder, None).items():
        newest = max(list_versions(model_folder).items())
        yield f"{name}/{newest[0]}", newest[1]


def _explanation(signatures: Mapping[str, Signature], analysis: Analysis) -> dict[str, Any]:
    engine = "tensorflow" if analysis.against else "openvino"
    return {
        "engine": engine,
        "reason": analysis.against or f"every operator of {DEFAULT_SIGNATURE} is proven equal to tensorflow's",
        "signatures": {name: _signature(name, analysis) for name in signatures},
        "checked_of_every_call": [_guard(guard) for guard in analysis.guards] if engine == "openvino" else [],
        "operators": [
            {"operator": operator, "type": type_name, "count": seen.count, "verdict": seen.reason or _PROVEN}
            for (operator, type_name), seen in sorted(analysis.operators.items())
        ],
    }


def _signature(name: str, analysis: Analysis) -> str:
    if analysis.against:
        return "tensorflow"
    if name == DEFAULT_SIGNATURE:
        return "openvino"
    if name in analysis.same:
        return f"openvino: the same function as {DEFAULT_SIGNATURE}"
    return "tensorflow, which is loaded when it is first called"


def _guard(guard: Guard) -> str:
    if guard.rows is not None:
        return f"{guard.alias}: indices from 0 to {guard.rows - 1}; others are INVALID_ARGUMENT, as in tensorflow"
    return f"{guard.alias}: values from {guard.low:g} to {guard.high:g}, no NaN; others are answered by tensorflow"


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{told['model']}: {told['engine']}"
    yield f"  {told['reason']}"
    yield from _section("signatures", [f"{name}: {engine}" for name, engine in told["signatures"].items()])
    yield from _section("checked of every call", told["checked_of_every_call"])
    rows = [(f"{row['operator']} {row['type']}".strip(), row["count"], row["verdict"]) for row in told["operators"]]
    # Unproven operators first: they are what the reader is looking for.
    rows.sort(key=lambda row: row[2] == _PROVEN)
    width = max((len(name) for name, _, _ in rows), default=0)
    yield from _section("operators", [f"{name:{width}}  {count:>5}  {verdict}" for name, count, verdict in rows])


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"  {title}"
        yield from (f"    {line}" for line in lines)


if __name__ == "__main__":
    main()
