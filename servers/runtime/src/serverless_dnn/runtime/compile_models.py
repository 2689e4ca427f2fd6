"""Fill the compiled-model cache ahead of the first start, such as while a container image is built.

Run as ``python -m serverless_dnn.runtime.compile_models --model-base-path MODELS --cache-folder CACHE``.
"""

import json
import sys
import time

import click

from serverless_dnn.runtime.command_line import exit_on_serving_error, server_options
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.lifecycle import wanted_models
from serverless_dnn.runtime.logs import log_to_stderr
from serverless_dnn.runtime.model_folder import list_versions
from serverless_dnn.runtime.settings import ServerSettings
from serverless_dnn.runtime.signature import read_signatures
from serverless_dnn.runtime.timing import Instance


@click.command(
    epilog="Example: python -m serverless_dnn.runtime.compile_models --model-base-path models --cache-folder cache",
    context_settings={"max_content_width": 120},
)
@server_options
def main() -> None:
    """Load each model once with a compiled-model cache; prints a JSON line a model.

    A compiled model is used by servers of the same OpenVINO version, precision and CPU instructions; others compile
    anew, and log it.
    """
    log_to_stderr()
    with exit_on_serving_error("compile_models"):
        settings = ServerSettings.from_environment()
        if settings.engine.cache_folder is None:
            raise InvalidArgumentError("no cache: give --cache-folder or SDNN_CACHE_FOLDER, a folder to fill")
        uncached = 0
        for config in wanted_models(settings):
            folders = list_versions(config.base_path)
            for version in sorted(config.policy.choose(folders), reverse=True):
                begin_ns = time.perf_counter_ns()
                folder = folders[version]
                info = load_model(folder, read_signatures(folder), settings.engine, Instance(), config.name).info
                uncached += info.name == "openvino" and info.compiled_cache == "none"
                line = {
                    "model": config.name,
                    "version": version,
                    "engine": str(info),
                    "compiled_cache": info.compiled_cache,
                    "reason": info.reason,
                    "load_ms": round((time.perf_counter_ns() - begin_ns) / 1e6),
                }
                click.echo(json.dumps(line))
    if uncached:
        sys.exit(f"compile_models: {settings.engine.cache_folder} could not be written, see the log above")


if __name__ == "__main__":
    main()
