"""How to start the other model servers, each from its own environment."""

import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from peer_calls import CALL_ERRORS, MODEL, OPEN_INFERENCE, PREDICT, RAW_HTTP, Call, Protocol

from serverless_dnn.bench.errors import BenchError, StartError
from serverless_dnn.bench.targets.processes import ServerProcess, start_server
from serverless_dnn.runtime.cpus import effective_cpus

_FILES = Path(__file__).with_name("peers")
_ROOT = Path(__file__).parents[2]
_START_TIMEOUT_S = 120.0
_POLL_S = 0.05


class PeerError(BenchError):
    """A peer cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Peer:
    """Another model server.

    The command, variables and address may contain these placeholders: ``{port}`` and ``{spare_port}`` (free ports),
    ``{folder}`` (the model's folder) and ``{work}`` (an empty folder).

    Attributes:
        name: Name of its rows.
        title: Display name.
        protocol: How it is called.
        command: The command that starts it.
        variables: Environment variables, besides the engine's.
        address: Where it listens.
        environment: The hatch environment that contains the command; empty if the command must be on the PATH.
    """

    name: str
    title: str
    protocol: Protocol
    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1:{port}"
    environment: str = ""


PEERS = (
    Peer(
        "mlserver",
        "MLServer",
        OPEN_INFERENCE,
        ("mlserver", "start", str(_FILES)),
        {"MLSERVER_GRPC_PORT": "{port}", "MLSERVER_HTTP_PORT": "{spare_port}"},
        environment="peers-mlserver",
    ),
    Peer(
        "bentoml",
        "BentoML",
        RAW_HTTP,
        (
            *("bentoml", "serve", "bentoml_service:OpenVinoService", "--working-dir", str(_FILES)),
            *("--host", "127.0.0.1", "--port", "{port}", "--timeout-keep-alive", "600"),
        ),
        {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{work}"},
        environment="peers-bentoml",
    ),
    Peer(
        "kserve",
        "KServe",
        OPEN_INFERENCE,
        ("python", str(_FILES / "kserve_model.py")),
        {"PEER_PORT": "{port}"},
        environment="peers-kserve",
    ),
    Peer(
        "tensorflow_serving",
        "TensorFlow Serving, whose engine is TensorFlow",
        PREDICT,
        # Over TCP it listens on every interface; a Unix socket is no slower.
        (
            *("tensorflow_model_server", "--port=0", "--grpc_socket_path={work}/socket"),
            *(f"--model_name={MODEL}", "--model_base_path={folder}"),
        ),
        address="unix:{work}/socket",
    ),
)


def find_command(peer: Peer) -> str:
    """Find a peer's command, creating its environment if missing.

    Args:
        peer: The peer.

    Returns:
        The command's path.

    Raises:
        PeerError: There is no such command, or its environment cannot be created.
    """
    command, path = peer.command[0], None
    if peer.environment:
        line = ["hatch", "run", f"{peer.environment}:python", "-c", "import sys; print(sys.prefix)"]
        made = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, check=False)
        said = (made.stdout if made.returncode == 0 else made.stderr + made.stdout).strip().splitlines()
        if made.returncode != 0:
            raise PeerError(f"hatch cannot create {peer.environment}: {said[-1] if said else 'no reason given'}")
        path = str(Path(said[-1]) / "bin")
    if (found := shutil.which(command, path=path)) is None:
        raise PeerError(f"there is no {command} {f'in {path}' if path else 'on the PATH'}")
    return found


def start_peer(running: ExitStack, peer: Peer, command: str, folder: Path, work: Path) -> tuple[ServerProcess, str]:
    """Start a peer with a model.

    Args:
        running: Stops it on exit.
        peer: The peer.
        command: The path of its command.
        folder: The model's folder, which contains version folders.
        work: An empty folder for its files.

    Returns:
        Its process and address; it may not be ready yet.
    """
    port, spare_port = _free_ports()
    words = {"port": port, "spare_port": spare_port, "folder": folder, "work": work}
    variables = {"PEER_MODEL": str(folder / "1"), "PEER_THREADS": str(effective_cpus())}
    variables |= {name: value.format_map(words) for name, value in peer.variables.items()}
    arguments = [argument.format_map(words) for argument in peer.command[1:]]
    process = start_server([command, *arguments], variables, work / "log.txt")
    running.callback(process.stop)
    return process, peer.address.format_map(words)


def first_answer(process: ServerProcess, call: Call) -> bytes:
    """Keep calling a starting peer until it responds.

    Args:
        process: The peer's process.
        call: A call to it.

    Returns:
        The response.

    Raises:
        PeerError: It exited instead, or did not respond in time.
    """
    while True:
        try:
            process.ready_port()  # raises if the process has exited; a peer never reports a port this way
            return call()
        except StartError as error:
            raise PeerError(str(error)) from error
        except CALL_ERRORS as error:
            if time.perf_counter_ns() - process.started_ns > _START_TIMEOUT_S * 1e9:
                raise PeerError(f"no answer within {_START_TIMEOUT_S} s: {error}") from error
        time.sleep(_POLL_S)


def guarded(call: Call) -> Call:
    """Wrap a peer's call so that its failures are reported as the peer's.

    Args:
        call: A call.

    Returns:
        The same call, raising ``PeerError`` on failure.
    """

    def guard() -> bytes:
        try:
            return call()
        except CALL_ERRORS as error:
            raise PeerError(f"it failed during the measurement: {error}") from error

    return guard


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
