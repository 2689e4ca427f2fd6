"""A run records the engine with its reason, and what servers warned of."""

import json
from pathlib import Path

from serverless_dnn.bench.targets.server_facts import engine_facts, warnings

ENGINE = {"name": "tensorflow", "reason": "openvino cannot load this model: it has strings"}
FALLBACK = {"severity": "WARNING", "message": "falling back to the tensorflow engine", "reason": "strings"}


def _write(path: Path, *records: object) -> None:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))


def test_the_engine_and_the_warnings_of_a_deployment(tmp_path: Path) -> None:
    _write(
        tmp_path / "lambda-1.records.jsonl",
        FALLBACK,
        FALLBACK,
        {"severity": "INFO", "message": "model loaded", "engine": ENGINE},
        {"severity": "ERROR", "message": "a call failed"},
    )
    _write(tmp_path / "lambda-2.records.jsonl", FALLBACK, {"severity": "CRITICAL", "message": "the disk is full"})
    (tmp_path / "lambda-1.log").write_text('{"severity": "WARNING", "message": "a library\'s own line"}\n')

    assert engine_facts(tmp_path) == ENGINE
    assert warnings(tmp_path) == (
        "falling back to the tensorflow engine: strings",
        "a call failed",
        "the disk is full",
    )


def test_a_killed_server_has_no_last_line(tmp_path: Path) -> None:
    path = tmp_path / "cloudrun-1.records.jsonl"
    _write(path, {"severity": "ERROR", "message": "a call failed"})
    path.write_text(path.read_text() + '{"severity": "ERROR", "mess')

    assert warnings(tmp_path) == ("a call failed",)


def test_nothing_was_recorded(tmp_path: Path) -> None:
    assert engine_facts(tmp_path) is None
    assert warnings(tmp_path) == ()
