"""The flags of ``tensorflow_model_server`` that ``sdnn-model-server`` accepts.

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
    ("port", click.IntRange(0, 65_535), 8500, "The gRPC port; 0 picks any free port."),
    ("grpc_socket_path", _PATH, None, "A unix socket on which to serve gRPC as well."),
    ("rest_api_port", click.IntRange(-1, 65_535), 0, "The REST port; 0 disables REST, -1 picks any free port."),
    ("rest_api_num_threads", _COUNT, 0, "Threads for REST; 0 means four per CPU."),
    ("rest_api_timeout_in_ms", click.IntRange(1), 30_000, "How long a REST call may wait in the queue."),
    ("rest_api_enable_cors_support", bool, False, "Allow web pages of any origin to call REST."),
    ("model_name", str, "default", "The model's name; not used with model_config_file."),
    ("model_base_path", _PATH, None, "The folder that holds its version folders; not used with model_config_file."),
    ("model_config_file", _PATH, None, "Text-format ModelServerConfig: several models, versions and labels."),
    (
        "model_config_file_poll_wait_seconds",
        _SECONDS,
        0,
        "Interval for rereading it, in seconds; 0 disables rereading.",
    ),
    ("file_system_poll_wait_seconds", _SECONDS, 1, "Polling interval for new versions, in seconds; 0 checks once."),
    ("max_num_load_retries", _COUNT, 5, "How many times to retry a version that failed to load."),
    ("enable_batching", bool, False, "Batch concurrent calls."),
    ("batching_parameters_file", _PATH, None, "Text-format BatchingParameters."),
    ("tensorflow_intra_op_parallelism", _COUNT, 0, "Threads per prediction; 0 uses all CPUs available."),
    ("grpc_max_threads", _COUNT, 0, "Maximum gRPC calls running or waiting; 0 means 1000."),
    ("saved_model_tags", click.Choice(["serve"]), "serve", "The graph's tags."),
    ("enable_model_warmup", bool, True, "Run each model's bundled warm-up requests before serving."),
    ("monitoring_config_file", _PATH, None, "Text-format MonitoringConfig: Prometheus metrics on the REST port."),
    (
        "allow_version_labels_for_unavailable_models",
        bool,
        False,
        "Labels may refer to versions that are not available yet.",
    ),
    ("enable_grpc_healthcheck_service", bool, True, "Always on; false is refused."),
    ("enable_serialization_as_tensor_content", bool, True, "Always on; false is refused."),
)
# Flags that the original lacks, from the option table, with their defaults for this command.
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
    "records_file": None,
}
# What the original has and this command does not, with what to do instead.
REFUSED = {
    "ssl_config_file": "put a TLS-terminating proxy in front, or use sdnn-cloudrun --tls-certificate-file",
    "grpc_channel_arguments": "channel arguments belong to gRPC's C++ server",
    "platform_config_file": "only SavedModels of TensorFlow are served",
    "prefer_tflite_model": "only SavedModels of TensorFlow are served",
    "mixed_precision": "use --precision bf16",
    "enable_per_model_batching_parameters": "use --batching_parameters_file",
    "load_retry_interval_micros": "versions are retried every --file_system_poll_wait_seconds",
    "num_load_threads": "models are loaded one at a time",
    "num_unload_threads": "a model's memory is released with its last call",
    "tensorflow_session_parallelism": "use --tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism": "use --tensorflow_intra_op_parallelism",
    "num_request_iterations_for_warmup": "each warm-up request is sent once",
    "enable_signature_method_name_check": "signatures are checked by their inputs and outputs",
    "enable_profiler": "there is no profiler service",
    "xla_cpu_compilation_enabled": "there is no XLA compilation",
    "per_process_gpu_memory_fraction": "there is no GPU",
    "flush_filesystem_caches": "file system caches belong to the operating system",
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
        # As in the original: --enable_batching and --enable_batching=true are the same.
        switch: dict[str, Any] = {"is_flag": False, "flag_value": True, "metavar": "[BOOL]"} if kind is bool else {}
        shown: dict[str, Any] = {"show_default": default is not None, "default": default, "help": text}
        command = click.option(f"--{name}", type=kind, **shown, **switch)(command)
    return command


def refuse(arguments: list[str]) -> None:
    """Reject leftover command-line arguments, by name.

    Args:
        arguments: The arguments that no flag consumed.

    Raises:
        click.UsageError: There are any.
    """
    for argument in arguments:
        name = argument.lstrip("-").partition("=")[0]
        if name in REFUSED:
            raise click.UsageError(f"tensorflow_model_server's --{name} is not offered: {REFUSED[name]}")
        raise click.UsageError(f"there is no flag {argument}: see --help for the available flags")
