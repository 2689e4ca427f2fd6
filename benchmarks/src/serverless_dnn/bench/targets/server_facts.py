"""What a run records of its servers' own records: which engine was chosen and why, and every warning."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECORDS_SUFFIX = ".records.jsonl"
_WARNINGS = ("WARNING", "ERROR", "CRITICAL")


def engine_facts(folder: Path) -> dict[str, Any] | None:
    """The engine into which a deployment's first instance loaded the model.

    Args:
        folder: Where the records of the deployment's servers are.

    Returns:
        Its name, version, precision, threads, why it was chosen, and what the compiled-model cache did; ``None`` if no
        server reported it.
    """
    for record in _records(folder):
        if record.get("message") == "model loaded" and isinstance(record.get("engine"), dict):
            facts: dict[str, Any] = record["engine"]
            return facts
    return None


def warnings(folder: Path) -> tuple[str, ...]:
    """What a deployment's servers warned of, such as a fallback to another engine.

    Args:
        folder: Where the records of the deployment's servers are.

    Returns:
        Each distinct message once, with its reason if it has one.
    """
    told: dict[str, None] = {}
    for record in _records(folder):
        if record.get("severity") in _WARNINGS:
            reason = record.get("reason") or record.get("error")
            told[f"{record.get('message')}: {reason}" if reason else str(record.get("message"))] = None
    return tuple(told)


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    """All records, each file in the order in which they were written; a killed server's last line may be cut off."""
    for path in sorted(folder.glob(f"*{RECORDS_SUFFIX}")):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield json.loads(line)
