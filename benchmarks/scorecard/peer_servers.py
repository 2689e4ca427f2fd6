"""The other model servers: how each is started, from an environment of its own."""

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
from serverless_dnn.bench.processes import ServerProcess, start_server
from serverless_dnn.runtime.cpus import effective_cpus

_FILES = Path(__file__).with_name("peers")
_ROOT = Path(__file__).parents[2]
_START_TIMEOUT_S = 120.0
_POLL_S = 0.05


class PeerError(BenchError):
    """A peer cannot be measured here; says why."""


@dataclass(frozen=True)
class Peer:
    """Another model server.

    In the command, the variables and the address these are replaced: ``{port}`` and ``{spare_port}``, free ones,
    ``{folder}``, the model's, and ``{work}``, an empty one.

    Attributes:
        name: Of its rows.
        title: For people.
        protocol: How it is called.
        command: Starts it.
        variables: Of its environment, besides the engine's.
        address: Where it listens.
        environment: The hatch environment that the command is in; empty if it has to be on the PATH.
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
        # Over TCP it listens on every interface; a socket file is no slower.
        (
            *("tensorflow_model_server", "--port=0", "--grpc_socket_path={work}/socket"),
            *(f"--model_name={MODEL}", "--model_base_path={folder}"),
        ),
        address="unix:{work}/socket",
    ),
)


def find_command(peer: Peer) -> str:
    """The path of a peer's command; its environment is made if it is missing.

    Args:
        peer: Which.

    Returns:
        The path.

    Raises:
        PeerError: There is no such command, or its environment cannot be made.
    """
    command, path = peer.command[0], None
    if peer.environment:
        line = ["hatch", "run", f"{peer.environment}:python", "-c", "import sys; print(sys.prefix)"]
        made = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, check=False)
        said = (made.stdout if made.returncode == 0 else made.stderr + made.stdout).strip().splitlines()
        if made.returncode != 0:
            raise PeerError(f"hatch cannot make {peer.environment}: {said[-1] if said else 'it does not say why'}")
        path = str(Path(said[-1]) / "bin")
    if (found := shutil.which(command, path=path)) is None:
        raise PeerError(f"there is no {command} {f'in {path}' if path else 'on the PATH'}")
    return found


def start_peer(running: ExitStack, peer: Peer, command: str, folder: Path, work: Path) -> tuple[ServerProcess, str]:
    """Start a peer with a model.

    Args:
        running: Ends it.
        peer: Which.
        command: The path of its command.
        folder: The model's folder, of version folders.
        work: An empty folder for its files.

    Returns:
        Its process, and its address; it may not answer yet.
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
    """Call a peer that is starting until it answers.

    Args:
        process: The peer's.
        call: A call of it.

    Returns:
        The answer.

    Raises:
        PeerError: It has ended instead, or does not answer.
    """
    while True:
        try:
            process.ready_port()  # raises when the process has ended; a peer tells no port this way
            return call()
        except StartError as error:
            raise PeerError(str(error)) from error
        except CALL_ERRORS as error:
            if time.perf_counter_ns() - process.started_ns > _START_TIMEOUT_S * 1e9:
                raise PeerError(f"no answer within {_START_TIMEOUT_S} s: {error}") from error
        time.sleep(_POLL_S)


def guarded(call: Call) -> Call:
    """A peer's call whose failure is the peer's.

    Args:
        call: A call.

    Returns:
        The same, but it raises ``PeerError``.
    """

    def guard() -> bytes:
        try:
            return call()
        except CALL_ERRORS as error:
            raise PeerError(f"it failed while it was measured: {error}") from error

    return guard


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
