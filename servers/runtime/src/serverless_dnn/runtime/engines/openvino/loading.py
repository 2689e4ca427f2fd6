"""Load a SavedModel and its analysis into OpenVINO, from the cache if possible."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from serverless_dnn.runtime.engines.openvino.compiled_cache import CacheEntry, CompiledCache
from serverless_dnn.runtime.engines.openvino.guarded import GuardedOpenVino
from serverless_dnn.runtime.engines.openvino.model import OpenVinoModel
from serverless_dnn.runtime.engines.openvino.proof.analysis import Analysis
from serverless_dnn.runtime.engines.reference import Reference
from serverless_dnn.runtime.errors import FailedPreconditionError
from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, Signature
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)


def load_openvino(
    version_folder: Path, signatures: Mapping[str, Signature], options: EngineOptions, instance: Instance
) -> GuardedOpenVino:
    """Load a model.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        signatures: Its signatures.
        options: How to run it; OpenVINO runs unproven models only if requested by name.
        instance: Records the time spent importing and loading.

    Returns:
        The model.

    Raises:
        FailedPreconditionError: OpenVINO cannot run it, must not, or is not proven equivalent to TensorFlow.
    """
    with instance.starting("load"):
        place, record = find_in_cache(version_folder, options)
        analysis = _recorded_analysis(record) or _analysed(version_folder, signatures)
    if refused := (record or {}).get("refused"):
        raise FailedPreconditionError(refused)
    if analysis.unsafe or (analysis.reasons and options.name != "openvino"):
        raise FailedPreconditionError(analysis.against)
    entry = None
    if place is not None:
        new = {"rules": _rules_digest(), "analysis": analysis.as_record()}
        entry = CacheEntry(place, record is not None, new if record is None else record)
    default = signatures[DEFAULT_SIGNATURE]
    loaded = OpenVinoModel(version_folder, default, options, instance, entry)
    proof, reason = _proof(version_folder, options, analysis, record)
    others = tuple(sorted(set(signatures) - {DEFAULT_SIGNATURE, *analysis.same}))
    loaded.info = replace(loaded.info, reason=reason, proof=proof, tensorflow_signatures=others)
    return GuardedOpenVino(loaded, analysis, Reference(version_folder, signatures, options), default)


def find_in_cache(version_folder: Path, options: EngineOptions) -> tuple[CompiledCache | None, dict[str, Any] | None]:
    """Find a model's slot in the cache.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        options: Where the cache is, and what the compiled model depends on.

    Returns:
        The slot, ``None`` without a cache; and its record, ``None`` if there is none.
    """
    if options.cache_folder is None:
        return None, None
    # Not keyed by threads: a compiled model runs on any number, so a build machine may have a different one.
    place = CompiledCache.open(options.cache_folder, version_folder, f"{_openvino_version()} {options.precision}")
    return place, None if place is None else place.record()


def _recorded_analysis(record: Mapping[str, Any] | None) -> Analysis | None:
    """The recorded analysis, if made by the same rules, so that the graph need not be read again."""
    if record is None or record.get("rules") != _rules_digest():
        return None
    return Analysis.from_record(record["analysis"])


def _analysed(version_folder: Path, signatures: Mapping[str, Signature]) -> Analysis:
    # A cold start with a filled cache does without the prover and all of its rules.
    from serverless_dnn.runtime.engines.openvino.proof.prover import analyse

    return analyse(version_folder, signatures)


def _openvino_version() -> str:
    """The installed version, without importing OpenVINO, which may turn out not to be needed."""
    spec = find_spec("openvino")
    for site in spec.submodule_search_locations or () if spec is not None else ():
        # By its folder's name: importing importlib.metadata takes 10 ms of a cold start.
        for metadata in Path(site).parent.glob("openvino-*.dist-info"):
            return metadata.name.removeprefix("openvino-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version("openvino")


def _proof(
    version_folder: Path, options: EngineOptions, analysis: Analysis, record: Mapping[str, Any] | None
) -> tuple[str, str]:
    """Why the results equal TensorFlow's, and why OpenVINO was chosen."""
    verified = (record or {}).get("verified")
    asked_for = options.name == "openvino"
    if not analysis.reasons:
        listed = f"every operator of {DEFAULT_SIGNATURE} is proven equal to tensorflow's"
        return "verified at compile" if verified else "proven by list", "asked for" if asked_for else listed
    extra = {"model": version_folder.parent.name, "reasons": list(analysis.reasons)}
    _log.warning("openvino was asked for by name, and its answers may differ from tensorflow's", extra=extra)
    return "verified at compile" if verified else "asked for by name", f"asked for; {analysis.against}"


@cache
def _rules_digest() -> str:
    """Identifies the rules and the list: an analysis made by an older version may no longer hold."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("proof/**/*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
