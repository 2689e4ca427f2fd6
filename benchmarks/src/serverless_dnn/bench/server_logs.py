"""What a run records from the server logs: which engine was chosen and why, and every warning."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def engine_facts(log_folder: Path, platform: str) -> dict[str, Any] | None:
    """The engine into which a platform's first instance loaded the model.

    Args:
        log_folder: Where the server logs are.
        platform: The platform's name.

    Returns:
        Its name, version, precision, threads, why it was chosen, and what the compiled-model cache did; ``None`` if no
        server reported it.
    """
    for entry in _entries(log_folder, platform):
        if entry.get("message") == "model loaded" and isinstance(entry.get("engine"), dict):
            facts: dict[str, Any] = entry["engine"]
            return facts
    return None


def warnings(log_folder: Path, platform: str) -> list[str]:
    """Warnings from a platform's servers, such as a fallback to another engine.

    Args:
        log_folder: Where the server logs are.
        platform: The platform's name.

    Returns:
        Each distinct message once, with its reason if it has one.
    """
    told: dict[str, None] = {}
    for entry in _entries(log_folder, platform):
        if entry.get("severity") in ("WARNING", "ERROR", "CRITICAL"):
            reason = entry.get("reason") or entry.get("error")
            told[f"{entry.get('message')}: {reason}" if reason else str(entry.get("message"))] = None
    return list(told)


def _entries(log_folder: Path, platform: str) -> Iterator[dict[str, Any]]:
    for path in sorted(log_folder.glob(f"{platform}-*.log")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            # Other lines come from libraries that print in their own format.
            if not line.startswith("{"):
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry
