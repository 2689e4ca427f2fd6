"""A server of Amazon's APIs on loopback, as each folder's ``aws_server.py`` makes it, and nobody's credentials."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's credentials, and none of the machine's settings."""
    nothing = tmp_path / "nothing"
    nothing.write_text("")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(nothing))
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text("SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n")
    for name in ("SAGEMAKER_ADMIN_CONFIG_OVERRIDE", "SAGEMAKER_USER_CONFIG_OVERRIDE"):
        monkeypatch.setenv(name, str(defaults))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The server's URL, and the file of the calls that it got."""
    folder = tmp_path_factory.mktemp("aws")
    ready, calls = folder / "ready", folder / "calls"
    script = request.path.with_name("aws_server.py")
    with (folder / "server.log").open("wb") as log:
        # As a new account has.
        variables = {**os.environ, "MOTO_LAMBDA_CONCURRENCY_QUOTA": "1000"}
        process = subprocess.Popen([sys.executable, script, ready, calls], stdout=log, stderr=log, env=variables)
    try:
        while not ready.exists():
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield f"http://127.0.0.1:{ready.read_text()}", calls
    finally:
        process.terminate()
        process.wait(30)
