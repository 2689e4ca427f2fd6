"""A run records the engine with its reason, and what servers warned of."""

import json
from pathlib import Path

from serverless_dnn.bench.server_logs import engine_facts, warnings


def _write(path: Path, *lines: object) -> None:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))


def test_the_engine_and_the_warnings_of_one_platform(tmp_path: Path) -> None:
    engine = {"name": "tensorflow", "reason": "openvino cannot load this model: it has strings"}
    fallback = {"severity": "WARNING", "message": "falling back to the tensorflow engine", "reason": "strings"}
    _write(
        tmp_path / "lambda-1.log",
        "a library's own line",
        "{not json",
        "[1]",
        fallback,
        fallback,
        {"severity": "INFO", "message": "model loaded", "engine": engine},
        {"severity": "ERROR", "message": "a call failed"},
    )
    _write(tmp_path / "cloudrun-1.log", {"severity": "WARNING", "message": "another platform's"})

    assert engine_facts(tmp_path, "lambda") == engine
    assert warnings(tmp_path, "lambda") == ["falling back to the tensorflow engine: strings", "a call failed"]
    assert engine_facts(tmp_path, "cloudrun") is None
    assert engine_facts(tmp_path, "sagemaker") is None
    assert warnings(tmp_path, "sagemaker") == []
