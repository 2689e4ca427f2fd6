"""The flags of ``tensorflow_model_server``, as ``sdnn-model-server`` takes them.

Names and defaults are those of tensorflow/serving, tensorflow_serving/model_servers/main.cc.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from serverless_dnn.runtime.commands.command_line import OptionType
from serverless_dnn.runtime.options import options_of
from serverless_dnn.runtime.settings import EngineOptions, GrpcSettings, ServerSettings

_CommandT = TypeVar("_CommandT", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)
_SECONDS = click.FloatRange(0)
_COUNT = click.IntRange(0)

_FLAGS: tuple[tuple[str, object, object, str], ...] = (
    ("port", click.IntRange(0, 65_535), 8500, "gRPC listens here; 0 takes any free port."),
    ("grpc_socket_path", _PATH, None, "gRPC listens on this unix socket too."),
    ("rest_api_port", click.IntRange(-1, 65_535), 0, "REST listens here; 0 turns it off, -1 takes any free port."),
    ("rest_api_num_threads", _COUNT, 0, "Threads for REST; 0 takes four a CPU."),
    ("rest_api_timeout_in_ms", click.IntRange(1), 30_000, "How long a REST call may wait for its turn."),
    ("rest_api_enable_cors_support", bool, False, "Let web pages of any origin call REST."),
    ("model_name", str, "default", "The model's name; not used with model_config_file."),
    ("model_base_path", _PATH, None, "The folder of its version folders; not used with model_config_file."),
    ("model_config_file", _PATH, None, "ModelServerConfig as text: several models, versions, labels."),
    ("model_config_file_poll_wait_seconds", _SECONDS, 0, "How often to read it again; 0 never does."),
    ("file_system_poll_wait_seconds", _SECONDS, 1, "How often to look for versions; 0 looks once."),
    ("max_num_load_retries", _COUNT, 5, "How often a version that failed to load is tried again."),
    ("enable_batching", bool, False, "Gather calls that wait into batches."),
    ("batching_parameters_file", _PATH, None, "BatchingParameters as text."),
    ("tensorflow_intra_op_parallelism", _COUNT, 0, "Threads a prediction; 0 takes the CPUs allowed."),
    ("grpc_max_threads", _COUNT, 0, "The most gRPC calls in work or waiting; 0 takes 1000."),
    ("saved_model_tags", click.Choice(["serve"]), "serve", "The graph's tags."),
    ("enable_model_warmup", bool, True, "Send models the warm-up requests that lie beside them."),
    ("monitoring_config_file", _PATH, None, "MonitoringConfig as text: a page for Prometheus on the REST port."),
    ("allow_version_labels_for_unavailable_models", bool, False, "Labels may name versions that are not there yet."),
    ("enable_grpc_healthcheck_service", bool, True, "Always on; false is refused."),
    ("enable_serialization_as_tensor_content", bool, True, "Always on; false is refused."),
)
# Flags that the original lacks, from the table of options; their defaults where they differ from it.
_OWN_FLAGS: dict[str, object] = {
    "host": "0.0.0.0",  # noqa: S104 - as tensorflow_model_server does
    "engine": "tensorflow",
    "precision": "f32",
    "cache_folder": None,
    "remote_target": None,
    "remote_timeout_s": 60.0,
    "max_body_mib": 64,
    "reload_folder": (),
    "ready_file": None,
}
# What the original has and this one does not, with what to do instead.
REFUSED = {
    "ssl_config_file": "put a proxy that ends TLS in front, or use sdnn-cloudrun --tls-certificate-file",
    "grpc_channel_arguments": "channel arguments are of gRPC's C++ server",
    "platform_config_file": "only SavedModels of TensorFlow are served",
    "prefer_tflite_model": "only SavedModels of TensorFlow are served",
    "mixed_precision": "use --precision bf16",
    "enable_per_model_batching_parameters": "use --batching_parameters_file",
    "load_retry_interval_micros": "versions are tried again every --file_system_poll_wait_seconds",
    "num_load_threads": "models are loaded one after the other",
    "num_unload_threads": "a model's memory is given back with its last call",
    "tensorflow_session_parallelism": "use --tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism": "use --tensorflow_intra_op_parallelism",
    "num_request_iterations_for_warmup": "each warm-up request is sent once",
    "enable_signature_method_name_check": "signatures are checked by their inputs and outputs",
    "enable_profiler": "there is no profiler service",
    "xla_cpu_compilation_enabled": "there is no XLA compilation",
    "per_process_gpu_memory_fraction": "there is no GPU",
    "flush_filesystem_caches": "file system caches are the operating system's",
    "remove_unused_fields_from_bundle_metagraph": "the graph is not kept in memory",
    "use_tflite_model": "only SavedModels of TensorFlow are served",
}


def model_server_flags(command: _CommandT) -> _CommandT:
    """Add the flags to a command, which gets them by their names."""
    rows = [row for each in (ServerSettings, EngineOptions, GrpcSettings) for _, row in options_of(each)]
    for row in reversed([row for row in rows if row.name in _OWN_FLAGS]):
        default = _OWN_FLAGS[row.name]
        command = click.option(
            f"--{row.name}",
            type=OptionType(row),
            default=default,
            show_default=bool(default),
            envvar=row.variable,
            help=row.help,
        )(command)
    for name, kind, default, text in reversed(_FLAGS):
        # As the original's: --enable_batching and --enable_batching=true are the same.
        switch: dict[str, Any] = {"is_flag": False, "flag_value": True, "metavar": "[BOOL]"} if kind is bool else {}
        shown: dict[str, Any] = {"show_default": default is not None, "default": default, "help": text}
        command = click.option(f"--{name}", type=kind, **shown, **switch)(command)
    return command


def refuse(arguments: list[str]) -> None:
    """Refuse what is left of a command line, by name.

    Args:
        arguments: What no flag took.

    Raises:
        click.UsageError: There is something.
    """
    for argument in arguments:
        name = argument.lstrip("-").partition("=")[0]
        if name in REFUSED:
            raise click.UsageError(f"tensorflow_model_server's --{name} is not offered: {REFUSED[name]}")
        raise click.UsageError(f"there is no flag {argument}: --help lists those there are")
