"""The command ``sdnn-sagemaker``."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from serverless_dnn.runtime.commands.command_line import exit_on_serving_error, server_settings, settings_options
from serverless_dnn.runtime.commands.memory import keep_freed_memory
from serverless_dnn.runtime.commands.ready_file import announce_ready, check_ready_file
from serverless_dnn.runtime.errors import ServingError
from serverless_dnn.runtime.listening import check_listening, listen_address
from serverless_dnn.runtime.logs import log_to_stderr
from serverless_dnn.runtime.options import from_values, option, port_number
from serverless_dnn.runtime.repository.loading import start_repository
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings
from serverless_dnn.runtime.timing import Instance

# Where SageMaker unpacks the model archive.
MODEL_FOLDER = Path("/opt/ml/model")
# SageMaker ends a request after 60 s; the worker must outlive that.
_WORKER_TIMEOUT_S = 70
# /ping must answer while an invocation runs.
_WORKER_THREADS = 8
_MEMORY_FOLDER = "/dev/shm"  # noqa: S108


@dataclass(frozen=True)
class SageMakerOptions:
    """Options specific to the SageMaker container.

    Attributes:
        port: The port to listen on; 0 picks any free one.
    """

    port: int = option(
        8080, "The port to listen on; 0 picks any free one.", port_number, variable="SAGEMAKER_BIND_TO_PORT"
    )


class _Container(BaseApplication):  # type: ignore[misc] # gunicorn ships no types
    """gunicorn with one worker, which loads the models: TensorFlow must not be loaded before a fork."""

    def __init__(self, settings: ServerSettings, port: int) -> None:
        self._settings = settings
        self._port = port
        # The cold start begins with this process, not with the worker forked from it.
        self._birth_ns = Instance().birth_ns
        super().__init__()

    def load_config(self) -> None:
        """Configure gunicorn."""
        options = {
            "bind": listen_address(self._settings.host, self._port),
            "workers": 1,
            "worker_class": "gthread",
            "threads": _WORKER_THREADS,
            "timeout": _WORKER_TIMEOUT_S,
            # SageMaker sends SIGKILL 30 s after SIGTERM.
            "graceful_timeout": 25,
            "keepalive": 75,
            # The heartbeat file should be in memory; the default folder may be on a disk that stalls.
            "worker_tmp_dir": _MEMORY_FOLDER if os.access(_MEMORY_FOLDER, os.W_OK) else None,
            "accesslog": None,
            # We report errors ourselves; gunicorn would add its own messages when a worker exits.
            "loglevel": "critical",
            "post_worker_init": self._announce,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Load the models and make the application, in the worker."""
        self._instance = Instance(birth_ns=self._birth_ns)
        keep_freed_memory()
        try:
            repository = start_repository(self._settings, self._instance)
        except ServingError as error:
            click.echo(f"sdnn-sagemaker: {error}", err=True)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        with self._instance.starting("import"):
            from serverless_dnn.sagemaker_tfserving.app import create_app
        return create_app(repository, self._instance, self._settings)

    def _announce(self, worker: Any) -> None:
        self._instance.ready()
        host, port = worker.sockets[0].sock.getsockname()[:2]
        announce_ready(self._settings.ready_file, host, port)


@click.group(epilog="Example: sdnn-sagemaker serve --model-base-path models/mobilenet_v1 --port 8080")
def main() -> None:
    """Serve TensorFlow SavedModels in a SageMaker container."""


@main.command(context_settings={"max_content_width": 120})
@settings_options(ServerSettings, EngineOptions, SageMakerOptions)
def serve(**given: Any) -> None:
    """Serve /ping and /invocations; this is the command SageMaker runs."""
    log_to_stderr()
    with exit_on_serving_error("sdnn-sagemaker"):
        settings = server_settings(given, default_base_path=MODEL_FOLDER)
        options = from_values(SageMakerOptions, given)
        check_ready_file(settings.ready_file)
        check_listening(settings.host, options.port)
    parent_pid = os.getpid()
    try:
        _Container(settings, options.port).run()
    except SystemExit as end:
        # The forked worker exits here too, and its parent relies on its exit code.
        if os.getpid() == parent_pid and end.code:
            sys.exit(1)
        raise
