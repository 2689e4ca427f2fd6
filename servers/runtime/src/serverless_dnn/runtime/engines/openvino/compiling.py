"""Compile a SavedModel with OpenVINO, or load it from the cache."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from serverless_dnn.runtime.engines.openvino.compiled_cache import CacheEntry
from serverless_dnn.runtime.engines.openvino.shared_memory import shareable
from serverless_dnn.runtime.errors import FailedPreconditionError

_log = logging.getLogger(__name__)
_CONVERTER = "openvino.tools.ovc"


@dataclass(frozen=True)
class Compiled:
    """A compiled model.

    Attributes:
        model: OpenVINO's compiled model.
        memory: The memory map it reads its weights from, which must outlive it; ``None`` if there is none.
        cache: What the cache did: ``hit``, ``filled`` or ``none``.
    """

    model: Any
    memory: Any
    cache: str


def import_openvino() -> Any:
    """Import OpenVINO without its converter, which takes time, is not needed, and imports a telemetry package."""
    absent = object()
    before = sys.modules.get(_CONVERTER, absent)
    if before is absent:
        # OpenVINO works without the converter if it cannot be imported.
        sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        if before is absent:
            del sys.modules[_CONVERTER]
    return openvino


@cache
def _core(openvino: Any) -> Any:
    """One core for the lifetime of the process.

    Its CPU plugin gives the creating thread an alternate signal stack, and frees that stack when the plugin is
    destroyed with its last model, in whatever thread: the next signal then kills the process with SIGSEGV.
    """
    return openvino.Core()


def compile_model(
    openvino: Any, version_folder: Path, precision: str, threads: int, entry: CacheEntry | None
) -> Compiled:
    """Compile a model, or load it from the cache.

    Args:
        openvino: The imported package.
        version_folder: The SavedModel.
        precision: The arithmetic: ``f32``, ``bf16`` or ``f16``.
        threads: Threads per prediction.
        entry: Where the compiled model is or will be cached; ``None`` disables caching.

    Returns:
        The compiled model.

    Raises:
        FailedPreconditionError: OpenVINO cannot compile this model; the message names the unsupported operators.
    """
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        # With pinning, several instances on one host would crowd the same CPUs, and every call would pin again.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        if entry is None:
            return Compiled(_core(openvino).compile_model(str(version_folder), "CPU", settings), None, "none")
        if entry.is_filled:
            try:
                return Compiled(*_import_blob(openvino, entry.place.blob, settings), "hit")
            except RuntimeError as error:
                extra = {"folder": str(entry.place.folder), "error": last_line(error)}
                _log.warning("openvino does not take the compiled model in the cache: compiling anew", extra=extra)
        settings["CACHE_MODE"] = "OPTIMIZE_SPEED"
        compiled = _core(openvino).compile_model(str(version_folder), "CPU", settings)
        kept = entry.place.store(compiled.export_model().getbuffer(), entry.record)
        return Compiled(compiled, None, "filled" if kept else "none")
    except RuntimeError as error:
        raise FailedPreconditionError(f"openvino cannot load {version_folder}: {_refusal(error)}") from error


def last_line(error: Exception) -> str:
    """The last line of an OpenVINO error, after its source locations.

    Args:
        error: The error.
    """
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), "no reason given").strip()


def _import_blob(openvino: Any, path: Path, settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """A compiled model whose weights stay in its file's memory map, and that map; a stream would be copied."""
    blob = openvino.Tensor(shareable(np.asarray(np.memmap(path, np.uint8, "r"))), shared_memory=True)
    return _core(openvino).import_model(blob, "CPU", settings), blob


def _refusal(error: RuntimeError) -> str:
    """What it says about operators it cannot convert; otherwise its last line, which states the error."""
    _, _, summary = str(error).partition("Summary:")
    lines = [line.strip().removeprefix("-- ") for line in summary.splitlines() if line.strip().startswith("-- ")]
    return "; ".join(lines) or last_line(error)
