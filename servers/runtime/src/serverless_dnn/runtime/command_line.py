"""The options every server's command shares: each sets the environment variable of its name, which settings read."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, get_args

import click

from serverless_dnn.runtime.engines.base import EngineName, Graph, Precision
from serverless_dnn.runtime.errors import ServingError

_CommandT = TypeVar("_CommandT", bound=Callable[..., Any])

_OPTIONS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    (
        "--model-base-path",
        "SDNN_MODEL_BASE_PATH",
        {},
        "A model's folder (of numeric version folders), or a folder of such.",
    ),
    ("--model-name", "SDNN_MODEL_NAME", {}, "The model's name; without it folders give their names."),
    (
        "--model-config-file",
        "SDNN_MODEL_CONFIG_FILE",
        {},
        "Names several models, their versions and labels, as TensorFlow Serving's ModelServerConfig text.",
    ),
    (
        "--poll-wait-s",
        "SDNN_POLL_WAIT_S",
        {"type": click.FloatRange(0)},
        "Seconds between looks for new versions; 0, the default, never looks.",
    ),
    ("--engine", "SDNN_ENGINE", {"type": click.Choice(get_args(EngineName))}, "What runs the model; auto by default."),
    ("--precision", "SDNN_PRECISION", {"type": click.Choice(get_args(Precision))}, "The arithmetic; f32 by default."),
    (
        "--threads",
        "SDNN_THREADS",
        {"type": click.IntRange(1)},
        "Threads a prediction; by default the CPUs allowed.",
    ),
    ("--cache-folder", "SDNN_CACHE_FOLDER", {}, "Where compiled models are kept between starts."),
    ("--graph", "SDNN_GRAPH", {"type": click.Choice(get_args(Graph))}, "What tensorflow runs; signature by default."),
    (
        "--remote-target",
        "SDNN_REMOTE_TARGET",
        {},
        "HOST:PORT or unix:/PATH of the TensorFlow Serving that engine remote asks.",
    ),
    (
        "--warm-up",
        "SDNN_WARM_UP",
        {"type": click.Choice(["true", "false"])},
        "Warm models up first; true by default.",
    ),
    (
        "--enable-batching",
        "SDNN_ENABLE_BATCHING",
        {"type": click.Choice(["true", "false"])},
        "Gather calls that wait into batches; false by default.",
    ),
    (
        "--batching-parameters-file",
        "SDNN_BATCHING_PARAMETERS_FILE",
        {},
        "TensorFlow Serving's BatchingParameters text, such as: max_batch_size { value: 8 }.",
    ),
    (
        "--concurrency",
        "SDNN_CONCURRENCY",
        {"type": click.IntRange(1)},
        "Requests in work or waiting at once, beyond which they are refused; 80 by default.",
    ),
    ("--max-body-mib", "SDNN_MAX_BODY_MIB", {"type": click.IntRange(1)}, "The largest request in MiB; 64 by default."),
    ("--ready-file", "SDNN_READY_FILE", {}, "Written as JSON (host, port, pid) once requests are answered."),
)


_GRPC_OPTIONS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    (
        "--reload-folder",
        "SDNN_RELOAD_FOLDER",
        {},
        "HandleReloadConfigRequest may name models below this; without it, none.",
    ),
    ("--reflection", "SDNN_REFLECTION", {"type": click.Choice(["true", "false"])}, "For grpcurl; true by default."),
    ("--compression", "SDNN_COMPRESSION", {"type": click.Choice(["none", "gzip"])}, "Of answers; none by default."),
    ("--tls-certificate-file", "SDNN_TLS_CERTIFICATE_FILE", {}, "Serve TLS with this certificate chain, in PEM form."),
    ("--tls-key-file", "SDNN_TLS_KEY_FILE", {}, "The certificate's private key."),
)


def grpc_options(command: _CommandT) -> _CommandT:
    """Add the options of gRPC servers to a command; see ``server_options``."""
    for flag, variable, kind, text in reversed(_GRPC_OPTIONS):
        command = environment_option(flag, variable, text, **kind)(command)
    return command


def server_options(command: _CommandT) -> _CommandT:
    """Add the shared options to a command; the values go to the environment, the command gets none of them."""
    for flag, variable, kind, text in reversed(_OPTIONS):
        command = environment_option(flag, variable, text, **kind)(command)
    return command


def environment_option(flag: str, variable: str, text: str, **kind: Any) -> Callable[[_CommandT], _CommandT]:
    """An option that sets an environment variable.

    Args:
        flag: Such as ``--port``.
        variable: The variable it sets, named in the help.
        text: The help.
        **kind: Further arguments of ``click.option``.

    Returns:
        The decorator.
    """

    def set_variable(_context: click.Context, _parameter: click.Parameter, value: object) -> None:
        if value is not None:
            os.environ[variable] = str(value)

    return click.option(flag, expose_value=False, callback=set_variable, help=f"{text}  [env: {variable}]", **kind)


@contextmanager
def exit_on_serving_error(command: str) -> Iterator[None]:
    """Turn an error at the start into one line on stderr and exit status 1.

    Args:
        command: Named at the start of the line.
    """
    try:
        yield
    except ServingError as error:
        click.echo(f"{command}: {error}", err=True)
        sys.exit(1)
