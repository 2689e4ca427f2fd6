"""TensorFlow Serving beside a server: its processes, their configuration, and what they say of their models."""

import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import text_format

from serverless_dnn.protos.v1 import model_config_pb2, model_status_pb2
from serverless_dnn.runtime.errors import DeadlineExceededError, ResourceExhaustedError, UnavailableError, error_of_code
from serverless_dnn.runtime.inference.batching_parameters import read_batching_parameters
from serverless_dnn.runtime.model_servers.binary import OUR_MODEL_SERVER
from serverless_dnn.runtime.model_servers.supervised_process import Child, SupervisedProcess
from serverless_dnn.runtime.repository.configuration import AllVersions, Latest, ModelConfig, Specific
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings

_log = logging.getLogger(__name__)
_UNSETTLED = ("UNKNOWN", "START", "LOADING", "UNLOADING")
_ASK_TIMEOUT_S = 2.0
_LOOK_S = 0.05


@dataclass(frozen=True)
class ModelServerOptions:
    """How model servers run.

    Attributes:
        count: How many there are.
        ports: The gRPC and REST ports of each, by its number; 0 means any free one.
        start_timeout_s: How long they may take to load the models, in seconds.
        request_timeout_s: How long a REST request may take, in seconds.
        intra_op_parallelism: Threads per prediction; 0 uses all CPUs available.
        inter_op_parallelism: Passed to ``tensorflow_model_server``; 0 leaves it alone.
        batching_parameters: Text-format ``BatchingParameters``; ``None`` batches nothing.
    """

    count: int = 1
    ports: Callable[[int], tuple[int, int]] = lambda _number: (0, 0)
    start_timeout_s: float = 300.0
    request_timeout_s: float = 60.0
    intra_op_parallelism: int = 0
    inter_op_parallelism: int = 0
    batching_parameters: str | None = None


def batching_of(settings: ServerSettings) -> str | None:
    """What a server's settings ask its model servers to do about batching.

    Args:
        settings: The settings.

    Returns:
        Text-format ``BatchingParameters``, empty for the defaults; ``None`` to batch nothing.

    Raises:
        NotFoundError: The batching parameters file cannot be read.
        InvalidArgumentError: It is not such a file.
    """
    if not settings.enable_batching:
        return None
    path = settings.batching_parameters_file
    read_batching_parameters(path)
    return "" if path is None else path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class _Server:
    """One model server.

    Attributes:
        process: Its process.
        socket_path: Where it listens for this process.
        ports: Its gRPC and REST ports, for others.
    """

    process: SupervisedProcess
    socket_path: Path
    ports: tuple[int, int]


class ModelServers:
    """Model servers that all hold the same models.

    Args:
        binary: The program.
        options: How many there are, their ports and their flags.
        engine: How ours runs models; TensorFlow Serving has only one way.
    """

    def __init__(self, binary: Path, options: ModelServerOptions, engine: EngineOptions) -> None:
        self.name = binary.name
        self._options = options
        self._folder = Path(tempfile.mkdtemp(prefix="sdnn-model-servers-"))
        self._config_file = self._folder / "model-config.cfg"
        self._configs: Sequence[ModelConfig] = ()
        self._servers = [self._make(binary, engine, number) for number in range(options.count)]

    @property
    def targets(self) -> str:
        """The addresses of all servers, for engine ``remote``."""
        return ",".join(f"unix:{server.socket_path}" for server in self._servers)

    @property
    def ports(self) -> list[tuple[int, int]]:
        """The gRPC and REST ports of each server on loopback."""
        return [server.ports for server in self._servers]

    def remote_settings(self, settings: ServerSettings) -> ServerSettings:
        """The settings of a server that asks these servers instead of running models.

        Args:
            settings: Those of a server that runs models.

        Returns:
            The same, with engine ``remote``; batching and warming up are left to these servers.
        """
        engine = replace(settings.engine, name="remote", remote_target=self.targets)
        return replace(settings, engine=engine, enable_batching=False, batching_parameters_file=None, warm_up=False)

    def processes(self) -> list[int]:
        """The process ids of the servers."""
        return [server.process.pid for server in self._servers]

    def why_away(self) -> str:
        """Why predictions cannot be made now; empty if at least one server is up."""
        if any(server.process.ready for server in self._servers):
            return ""
        return self._servers[0].process.why_away

    def start(self, configs: Sequence[ModelConfig]) -> None:
        """Start the servers and wait until they have loaded the models.

        Args:
            configs: The models.

        Raises:
            ServingError: A server did not start, or cannot load a model.
        """
        self._write(configs)
        for server in self._servers:
            server.process.start()
        for server in self._servers:
            server.process.wait_ready()
        self._check(configs)

    def reload(self, configs: Sequence[ModelConfig]) -> None:
        """Have every server hold exactly these models; on an error they keep those they had.

        Args:
            configs: The models.

        Raises:
            ServingError: A server is away, or cannot load a model.
        """
        before = self._configs
        try:
            self._write(configs)
            self._tell(configs)
            self._check(configs)
        except Exception:
            self._write(before)
            self._tell(before)
            raise

    def stop(self, grace_s: float) -> None:
        """Stop all servers.

        Args:
            grace_s: How long they may take, in seconds.
        """
        for server in self._servers:
            server.process.stop(grace_s)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self, binary: Path, engine: EngineOptions, number: int) -> _Server:
        socket_path = self._folder / f"{number}.sock"
        ports = self._options.ports(number)
        ports = ports if ports[0] else (_free_port(), _free_port())
        environment = {**os.environ, "SDNN_HOST": "127.0.0.1"}
        # The front's own.
        environment.pop("SDNN_READY_FILE", None)
        child = Child(
            binary.name,
            [str(binary), *self._flags(binary, engine, socket_path, ports)],
            environment,
            self._options.start_timeout_s,
            is_ready=lambda: self._is_settled(socket_path),
            before_start=lambda: socket_path.unlink(missing_ok=True),
        )
        return _Server(SupervisedProcess(child), socket_path, ports)

    def _flags(self, binary: Path, engine: EngineOptions, socket_path: Path, ports: tuple[int, int]) -> list[str]:
        options = self._options
        flags = [
            f"--port={ports[0]}",
            f"--rest_api_port={ports[1]}",
            f"--grpc_socket_path={socket_path}",
            f"--model_config_file={self._config_file}",
            f"--rest_api_timeout_in_ms={options.request_timeout_s * 1000:.0f}",
            "--max_num_load_retries=0",
            "--file_system_poll_wait_seconds=0",
            # At the start no version is available yet.
            "--allow_version_labels_for_unavailable_models=true",
        ]
        if options.intra_op_parallelism:
            flags.append(f"--tensorflow_intra_op_parallelism={options.intra_op_parallelism}")
        if options.batching_parameters is not None:
            path = self._folder / "batching-config.cfg"
            path.write_text(options.batching_parameters, encoding="utf-8")
            flags += ["--enable_batching=true", f"--batching_parameters_file={path}"]
        if binary.name != OUR_MODEL_SERVER:
            inter = options.inter_op_parallelism
            return [*flags, f"--tensorflow_inter_op_parallelism={inter}"] if inter else flags
        if options.inter_op_parallelism:
            _log.info("this model server has no inter-op parallelism: ignoring it")
        cache = [f"--cache_folder={engine.cache_folder}"] if engine.cache_folder else []
        # Models of a multi-model endpoint are added from anywhere below the folder that SageMaker names.
        return [*flags, f"--engine={engine.name}", f"--precision={engine.precision}", "--reload_folder=/", *cache]

    def _write(self, configs: Sequence[ModelConfig]) -> None:
        aside = self._config_file.with_suffix(".part")
        try:
            aside.write_text(text_format.MessageToString(_message(configs)), encoding="utf-8")
            aside.rename(self._config_file)
        except OSError as error:
            raise ResourceExhaustedError(f"cannot write {self._config_file}: {error.strerror}") from None
        self._configs = configs

    def _tell(self, configs: Sequence[ModelConfig]) -> None:
        request = model_config_pb2.ReloadConfigRequest(config=_message(configs))
        for server in self._servers:
            if not server.process.ready:
                raise UnavailableError(server.process.why_away)
            try:
                with _connect(server.socket_path) as channel:
                    ask: Any = _unary(
                        channel, "HandleReloadConfigRequest", model_config_pb2.ReloadConfigResponse.FromString
                    )
                    answer = ask(request.SerializeToString(), timeout=self._options.start_timeout_s)
            except grpc.RpcError as error:
                raise error_of_code(error.code().value[0], f"{error.details()}") from error
            if answer.status.error_code:
                raise error_of_code(answer.status.error_code, answer.status.error_message)

    def _check(self, configs: Sequence[ModelConfig]) -> None:
        """Wait until nothing is being loaded any more, and raise the first error."""
        end_s = time.monotonic() + self._options.start_timeout_s
        for server in self._servers:
            while not self._is_settled(server.socket_path):
                if not server.process.ready:
                    raise UnavailableError(server.process.why_away)
                if time.monotonic() > end_s:
                    raise DeadlineExceededError(
                        f"{self.name} has not loaded its models within {self._options.start_timeout_s:.0f} s"
                    )
                time.sleep(_LOOK_S)
            for config in configs:
                for status in _states(server.socket_path, config.name):
                    if status.status.error_code:
                        raise error_of_code(status.status.error_code, status.status.error_message)

    def _is_settled(self, socket_path: Path) -> bool:
        """Whether a server answers and is loading nothing."""
        name_of = model_status_pb2.ModelVersionStatus.State.Name
        try:
            if not self._configs:
                with _connect(socket_path) as channel:
                    grpc.channel_ready_future(channel).result(_ASK_TIMEOUT_S)
                return True
            return all(
                (states := _states(socket_path, config.name))
                and not any(name_of(each.state) in _UNSETTLED for each in states)
                for config in self._configs
            )
        except (grpc.RpcError, grpc.FutureTimeoutError):
            return False


def _message(configs: Sequence[ModelConfig]) -> model_config_pb2.ModelServerConfig:
    message = model_config_pb2.ModelServerConfig()
    message.model_config_list.SetInParent()
    for config in configs:
        each = message.model_config_list.config.add(
            name=config.name, base_path=str(config.base_path.absolute()), model_platform="tensorflow"
        )
        match config.policy:
            case AllVersions():
                each.model_version_policy.all.SetInParent()
            case Specific(versions):
                each.model_version_policy.specific.versions.extend(sorted(versions))
            case Latest(count):
                each.model_version_policy.latest.num_versions = count
        each.version_labels.update(config.labels)
    return message


def _connect(socket_path: Path) -> grpc.Channel:
    # A pool of its own: a connection that failed while the server was starting is not waited for.
    return grpc.insecure_channel(f"unix:{socket_path}", [("grpc.use_local_subchannel_pool", 1)])


def _unary(channel: grpc.Channel, method: str, parse: Any) -> Any:
    return channel.unary_unary(f"/tensorflow.serving.ModelService/{method}", response_deserializer=parse)


def _states(socket_path: Path, name: str) -> Sequence[model_status_pb2.ModelVersionStatus]:
    request = model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    with _connect(socket_path) as channel:
        ask = _unary(channel, "GetModelStatus", model_status_pb2.GetModelStatusResponse.FromString)
        answer = ask(request.SerializeToString(), timeout=_ASK_TIMEOUT_S)
    return list(answer.model_version_status)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
