"""Fill the compiled-model cache ahead of the first start, for example while building a container image.

Run as ``python -m serverless_dnn.runtime.commands.compile_models --model-base-path MODELS --cache-folder CACHE``.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from numpy.typing import NDArray

from serverless_dnn.runtime.commands.command_line import exit_on_serving_error, server_settings, settings_options
from serverless_dnn.runtime.engines.base import EngineInfo
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.inference.predictor import complete_inputs
from serverless_dnn.runtime.logs import log_to_stderr
from serverless_dnn.runtime.repository.configuration import wanted_models
from serverless_dnn.runtime.repository.warmup import warmup_requests
from serverless_dnn.runtime.saved_model.model_folder import list_versions
from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, Signature, read_signatures
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings
from serverless_dnn.runtime.timing import Instance

# Only meaningful when serving.
_SERVING_OPTIONS = ("poll_wait_s", "warm_up", "enable_batching", "batching_parameters_file", "max_body_mib", "host")

if TYPE_CHECKING:
    from serverless_dnn.runtime.engines.openvino.guarded import GuardedOpenVino


@click.command(
    epilog="Example: python -m serverless_dnn.runtime.commands.compile_models --model-base-path models "
    "--cache-folder cache",
    context_settings={"max_content_width": 120},
)
@settings_options(ServerSettings, EngineOptions, omit=(*_SERVING_OPTIONS, "ready_file", "records_file"))
@click.option("--all-versions", is_flag=True, help="Every version on disk, not only those that would be served.")
def main(*, all_versions: bool, **given: Any) -> None:
    """Load each model once with a compiled-model cache; prints one JSON line per model.

    Where TensorFlow is installed, OpenVINO's outputs are compared with TensorFlow's, on the model's warm-up requests
    and on inputs generated from its signature. The result is stored with the compiled model; a model whose outputs
    differ is refused, and servers using this cache run it on TensorFlow.

    A compiled model is used by servers with the same OpenVINO version, precision and CPU instruction set; others
    recompile it and log that.
    """
    log_to_stderr()
    with exit_on_serving_error("compile_models"):
        settings = server_settings(given)
        if settings.engine.cache_folder is None:
            raise InvalidArgumentError("no cache: give --cache-folder or SDNN_CACHE_FOLDER, a folder to fill")
        uncached, refused = 0, list[str]()
        for config in wanted_models(settings):
            folders = list_versions(config.base_path)
            for version in sorted(folders if all_versions else config.policy.choose(folders), reverse=True):
                begin_ns = time.perf_counter_ns()
                info, verified, refusal = _compile(folders[version], settings.engine, config.name)
                uncached += info.name == "openvino" and info.compiled_cache == "none"
                refused += [f"{config.name} {version}: {refusal}"] if refusal else []
                line = {
                    "model": config.name,
                    "version": version,
                    "engine": str(info),
                    "compiled_cache": info.compiled_cache,
                    "proof": info.proof,
                    "reason": info.reason,
                    "verified": verified,
                    "refused": refusal,
                    "load_ms": round((time.perf_counter_ns() - begin_ns) / 1e6),
                }
                click.echo(json.dumps(line))
    if refused:
        sys.exit("compile_models: " + "; ".join(refused))
    if uncached:
        sys.exit(f"compile_models: {settings.engine.cache_folder} could not be written; see the log above")


def _compile(
    folder: Path, options: EngineOptions, model_name: str
) -> tuple[EngineInfo, dict[str, Any] | None, str | None]:
    """Compile and compare a model; returns its engine, the comparison's result, and why the model is refused."""
    signatures = read_signatures(folder)
    loaded = load_model(folder, signatures, options, Instance(), model_name)
    if loaded.info.name != "openvino" or loaded.info.compiled_cache == "none" or find_spec("tensorflow") is None:
        return loaded.info, None, None
    # Imported here because a model that runs on TensorFlow needs none of it.
    from serverless_dnn.runtime.engines.openvino.guarded import GuardedOpenVino
    from serverless_dnn.runtime.engines.openvino.loading import find_in_cache
    from serverless_dnn.runtime.engines.openvino.verification import compare

    place, record = find_in_cache(folder, options)
    if not isinstance(loaded, GuardedOpenVino) or place is None or record is None:
        return loaded.info, None, None
    if record.get("verified"):
        return loaded.info, record["verified"], None
    tensorflow = load_model(folder, signatures, EngineOptions(name="tensorflow"), Instance(), model_name)
    calls = list(_calls(folder, signatures, loaded))
    found = compare(loaded.openvino, tensorflow, calls, options.precision)
    verified = {**asdict(found), "tensorflow": tensorflow.info.version}
    if found.passed:
        place.amend(verified=verified)
        return loaded.info, verified, None
    if not found.calls:
        return loaded.info, None, None
    refusal = (
        f"openvino answered otherwise than tensorflow when the model was compiled: output {found.output} differs by "
        f"{found.largest_difference:.3g} of its largest number, and {found.tolerance:g} is allowed"
    )
    place.store(b"", {**record, "refused": refusal})
    return loaded.info, None, refusal


def _calls(
    folder: Path, signatures: Mapping[str, Signature], loaded: "GuardedOpenVino"
) -> Iterator[tuple[Signature, Mapping[str, NDArray[Any]]]]:
    """The model's warm-up requests and inputs generated from its signature, limited to calls that OpenVINO serves."""
    from serverless_dnn.runtime.engines.openvino.proof.guards import first_objection
    from serverless_dnn.runtime.engines.openvino.verification import sample_inputs

    default, analysis = signatures[DEFAULT_SIGNATURE], loaded.analysis
    requests = [
        complete_inputs(default, inputs)
        for name, inputs in warmup_requests(folder)
        if (name or DEFAULT_SIGNATURE) in (DEFAULT_SIGNATURE, *analysis.same)
    ]
    for inputs in (*requests, *sample_inputs(default, analysis.guards)):
        if not first_objection(analysis.guards, analysis.equal, inputs):
            yield default, inputs


if __name__ == "__main__":
    main()
