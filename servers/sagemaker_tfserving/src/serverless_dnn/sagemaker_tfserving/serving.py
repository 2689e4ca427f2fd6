"""The life of the container: start what it needs, serve until SIGTERM, lose no request."""

import importlib
import itertools
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from serverless_dnn.runtime.commands.ready_file import announce_ready
from serverless_dnn.runtime.errors import InvalidArgumentError, UnavailableError
from serverless_dnn.runtime.repository.configuration import ModelConfig, wanted_models
from serverless_dnn.runtime.settings import ServerSettings, TransferOptions
from serverless_dnn.runtime.timing import Instance
from serverless_dnn.sagemaker_tfserving.models.backend import Backend, start_backend
from serverless_dnn.sagemaker_tfserving.models.discovery import find_models
from serverless_dnn.sagemaker_tfserving.options import SageMakerOptions

if TYPE_CHECKING:
    from serverless_dnn.runtime.http.rest_server import RestServer
    from serverless_dnn.runtime.inference.admission import Admission
    from serverless_dnn.sagemaker_tfserving.container import Script
    from serverless_dnn.sagemaker_tfserving.multi_model import MultiModel
    from serverless_dnn.sagemaker_tfserving.script.inference_script import InferenceScript

_log = logging.getLogger(__name__)
SCRIPT_PATH = Path("code", "inference.py")
# SageMaker sends SIGKILL 30 s after SIGTERM.
_DRAIN_S = 25.0
_LAST_REPLIES_S = 1.0
_STOP_S = 2.0
# Requests beyond the concurrency are refused by these threads while all others are taken.
_REFUSING_THREADS = 2
# What the front needs and loading a model does without.
_FRONT = (
    "serverless_dnn.sagemaker_tfserving.container",
    "serverless_dnn.runtime.http.rest_server",
    "serverless_dnn.runtime.http.transfers",
    "serverless_dnn.runtime.http.wsgi_app",
)


def serve(
    settings: ServerSettings,
    options: SageMakerOptions,
    transfers: TransferOptions,
    instance: Instance,
    before_ready: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: How to serve.
        options: The container's options.
        transfers: Which pre-signed URLs may be read and written.
        instance: Identifies this process in every response.
        before_ready: Called once requests can be served, just before readiness is announced.

    Raises:
        ServingError: The container cannot start; the message says why.
    """
    stop = _Stop()
    with ExitStack() as running:
        try:
            front, admission = _Start(settings, options, transfers, instance, running).start()
        except OSError as error:
            # A disk that is full or read-only, or too few file descriptors.
            raise UnavailableError(f"cannot start: {error}") from error
        before_ready()
        instance.ready()
        announce_ready(settings.ready_file, settings.host, front.port)
        stop.wait()
        _drain(front, admission)
    _log.info("stopped", extra={"accepted": admission.accepted, "answered": admission.answered})


class _Stop:
    """SIGTERM and SIGINT: while starting they end the process, while serving they begin the drain."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._is_serving = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def wait(self) -> None:
        """Wait for a signal."""
        self._is_serving = True
        self._wanted.wait()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        # A container's first process is not ended by a signal that it does not handle.
        if not self._is_serving:
            sys.exit(128 + number)
        self._wanted.set()


@dataclass(frozen=True)
class _Start:
    """A start of the container.

    Attributes:
        settings: How to serve.
        options: The container's options.
        transfers: Which pre-signed URLs may be read and written.
        instance: Records the time spent.
        running: Stops at its end what is started.
    """

    settings: ServerSettings
    options: SageMakerOptions
    transfers: TransferOptions
    instance: Instance
    running: ExitStack

    def start(self) -> "tuple[RestServer, Admission]":
        """Start everything; the front listens as the last."""
        configs = [] if self.options.multi_model else self._models()
        default_model = self._default_model([config.name for config in configs])
        starting = self._start_script()
        self.instance.meanwhile(lambda: [importlib.import_module(name) for name in _FRONT])
        backend = start_backend(self.settings, self.options, configs, self.instance, self.running)
        self.running.callback(backend.repository.close)
        script = None if starting is None else starting.result()
        if script is not None:
            script.wait_ready()
        with self.instance.starting("import"):
            return self._listen(backend, script, default_model)

    @property
    def _base_path(self) -> Path:
        return self.settings.model_base_path or Path()

    def _models(self) -> list[ModelConfig]:
        if self.settings.model_config_file is not None:
            return wanted_models(self.settings)
        return find_models(self._base_path, self.settings.model_name)

    def _default_model(self, names: Sequence[str]) -> str | None:
        named = self.options.default_model_name
        if named is not None and names and named not in names:
            raise InvalidArgumentError(
                f"SAGEMAKER_TFS_DEFAULT_MODEL_NAME is {named}, and the models are {', '.join(names)}"
            )
        return named or self.settings.model_name or (names[0] if len(names) == 1 else None)

    def _start_script(self) -> "Future[InferenceScript] | None":
        """Start the user's script, if there is one, while the models are loading."""
        path = self._find_script()
        if path is None:
            return None
        from serverless_dnn.sagemaker_tfserving.script.inference_script import InferenceScript

        script = InferenceScript(path, self.options)
        self.running.callback(script.stop, _STOP_S)

        def start() -> InferenceScript:
            script.start()
            return script

        with_thread = ThreadPoolExecutor(1, "script")
        try:
            return with_thread.submit(start)
        finally:
            with_thread.shutdown(wait=False)

    def _find_script(self) -> Path | None:
        options = self.options
        if options.multi_model and options.universal_bucket and options.universal_prefix:
            from serverless_dnn.sagemaker_tfserving.script.universal_code import fetch_code

            return fetch_code(options.universal_bucket, options.universal_prefix, self.running)
        path = self._base_path / SCRIPT_PATH
        return path if path.is_file() else None

    def _listen(
        self, backend: Backend, script: "InferenceScript | None", default_model: str | None
    ) -> "tuple[RestServer, Admission]":
        from serverless_dnn.runtime.http.rest_api import RestApi
        from serverless_dnn.runtime.http.rest_options import RestOptions
        from serverless_dnn.runtime.http.rest_server import RestServer
        from serverless_dnn.runtime.http.transfers import Transfers
        from serverless_dnn.runtime.http.wsgi_app import make_app
        from serverless_dnn.runtime.inference.admission import Admission
        from serverless_dnn.runtime.memory_limit import memory_for_requests
        from serverless_dnn.sagemaker_tfserving.bodies.body_formats import INVOCATION_BODIES
        from serverless_dnn.sagemaker_tfserving.container import Container

        concurrency, max_body_bytes = self.options.concurrency, self.settings.max_body_bytes
        admission = Admission(concurrency=concurrency, memory_bytes=memory_for_requests(), max_bytes=max_body_bytes)
        transfers = Transfers(self.transfers.within(self.settings.max_body_mib))
        limits = RestOptions(max_body_bytes, self.options.request_timeout_s, INVOCATION_BODIES, transfers)
        reasons = [backend.why_away] if script is None else [backend.why_away, script.why_away]

        def why_away() -> str:
            if admission.draining:
                return "this instance is shutting down: send the request to another"
            return next((why for reason in reasons if (why := reason())), "")

        container = Container(
            backend.repository,
            RestApi(backend.repository, self.instance, admission, limits),
            self.instance,
            admission,
            limits,
            default_model,
            why_away,
            None if script is None else self._behind(script, backend),
            self._multi_model(backend) if self.options.multi_model else None,
        )
        threads = concurrency + _REFUSING_THREADS
        front = RestServer(
            make_app(container.handle),
            self.settings.host,
            self.options.port,
            threads=threads,
            max_body_bytes=max_body_bytes,
        )
        return front, admission

    def _behind(self, script: "InferenceScript", backend: Backend) -> "Script":
        from serverless_dnn.sagemaker_tfserving.container import Script

        ports = list(backend.ports)
        if not ports:
            from serverless_dnn.sagemaker_tfserving.script.inner_servers import InnerServers

            inner = InnerServers(backend.repository, self.instance, self.settings, self.options)
            self.running.callback(inner.stop)
            ports = [inner.ports]
        in_turn = itertools.cycle(ports)
        return Script(script, lambda: next(in_turn))

    def _multi_model(self, backend: Backend) -> "MultiModel":
        from serverless_dnn.sagemaker_tfserving.multi_model import MultiModel

        return MultiModel(backend, self._base_path, self.options.model_list)


def _drain(front: "RestServer", admission: "Admission") -> None:
    from serverless_dnn.runtime.inference.drain import drain

    end_s = time.monotonic() + _DRAIN_S
    admission.refuse_new()
    front.refuse_waiting()
    drain(admission, _DRAIN_S - _LAST_REPLIES_S)
    front.close(max(_LAST_REPLIES_S, end_s - time.monotonic()))
