"""A start that cannot succeed ends at once, with one line that names the mistake and no traceback."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# root may read and write everything, and what a server is started as mostly may not.
_UNPRIVILEGED = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all") if os.geteuid() == 0 else ()
)
SERVERS = {
    "cloudrun": ("sdnn-cloudrun", "--port", "0"),
    "sagemaker": ("sdnn-sagemaker", "serve", "--port", "0"),
}
unprivileged = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="as root, nothing is unreadable without setpriv"
)


def _start(server: str, *options: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    host = () if "--host" in options else ("--host", "127.0.0.1")
    command = [*prefix, *SERVERS[server], *host, "--engine", "openvino", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _assert_one_line(done: subprocess.CompletedProcess[str], *texts: str) -> None:
    assert done.returncode not in (0, -9)
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("sdnn-")
    for text in texts:
        assert text in last


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """One version of one model, that a test may damage."""
    return Path(shutil.copytree(models / "half_plus_two" / "1", tmp_path / "half" / "1")).parent


def _unreadable(path: Path) -> None:
    path.chmod(0)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)


def _empty(folder: Path) -> str:
    shutil.rmtree(folder / "1")
    return "expected <version>/saved_model.pb"


def _missing(folder: Path) -> str:
    shutil.rmtree(folder)
    return "cannot read the model folder"


def _no_model(folder: Path) -> str:
    (folder / "1" / "saved_model.pb").write_bytes(b"not a model")
    return "is not a SavedModel"


def _no_variables(folder: Path) -> str:
    shutil.rmtree(folder / "1" / "variables")
    return "is not whole"


def _no_data(folder: Path) -> str:
    (folder / "1" / "variables" / "variables.data-00000-of-00001").unlink()
    return "is not whole"


def _half_of_the_data(folder: Path) -> str:
    data = folder / "1" / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    return "half/1"


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("damage", [_empty, _missing, _no_model, _no_variables, _no_data, _half_of_the_data])
def test_models_that_cannot_be_served(server: str, damage: Callable[[Path], str], folder: Path) -> None:
    text = damage(folder)

    _assert_one_line(_start(server, "--model-base-path", str(folder)), text)


@unprivileged
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", ["1/saved_model.pb", "1/variables", "1/variables/variables.index", "1", "."])
def test_files_that_may_not_be_read(server: str, name: str, folder: Path) -> None:
    _unreadable(folder / name)

    done = _start(server, "--model-base-path", str(folder), prefix=_UNPRIVILEGED)

    (folder / name).chmod(0o755)
    _assert_one_line(done, "half")


@unprivileged
def test_a_sibling_that_may_not_be_read_is_passed_over(folder: Path, start_server: Callable[..., Any]) -> None:
    (folder.parent / "lost+found").mkdir()
    _unreadable(folder.parent / "lost+found")

    start_server(*_UNPRIVILEGED, "sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(folder.parent), SDNN_ENGINE="openvino")

    (folder.parent / "lost+found").chmod(0o755)


@pytest.mark.parametrize("server", SERVERS)
def test_addresses_that_cannot_be_listened_on(server: str, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        wrong = {
            ("--port", port): f"cannot listen on 127.0.0.1:{port}: Address already in use",
            ("--host", "no.such.host.invalid"): "cannot listen on no.such.host.invalid",
            ("--host", "203.0.113.1"): "cannot listen on 203.0.113.1",
            ("--ready-file", "/nope/ready"): "cannot write the ready file /nope/ready",
        }
        for options, text in wrong.items():
            _assert_one_line(_start(server, "--model-base-path", str(folder), *options), text)


def test_a_metrics_port_that_is_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        done = _start("cloudrun", "--model-base-path", str(folder), "--metrics-port", port)

    _assert_one_line(done, f"cannot listen on 127.0.0.1:{port}: Address already in use")


def test_a_key_that_is_not_the_certificates(folder: Path, tmp_path: Path, make_key: Callable[[], Any]) -> None:
    one, other = make_key(), make_key()
    files = {"certificate": one.certificate_pem, "key": one.private_pem, "other": other.private_pem, "text": b"text"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    wrong = {
        ("certificate", "other"): "the key does not belong to the certificate",
        ("text", "key"): "in PEM form",
        ("certificate", "text"): "in PEM form",
        ("certificate", "nope"): "cannot read",
    }
    for (certificate, key), text in wrong.items():
        options = ("--tls-certificate-file", str(tmp_path / certificate), "--tls-key-file", str(tmp_path / key))
        _assert_one_line(_start("cloudrun", "--model-base-path", str(folder), *options), text)


def test_ipv6(folder: Path, start_server: Callable[..., Any]) -> None:
    _, process = start_server(
        "sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(folder), SDNN_ENGINE="openvino", SDNN_HOST="::1"
    )

    with socket.create_connection(("::1", process.ready_port()), 30):
        pass
