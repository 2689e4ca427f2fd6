"""Lets the processes of the fuzz, and this one, import what it is made of."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Tests are no package; the fuzzed operators are one, and its processes import it too.
sys.path.insert(0, str(Path(__file__).parent))

from https_storage import Storage, serving


@pytest.fixture(scope="module")
def certificate(make_key: Callable[[], Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key and its certificate for localhost, in one file."""
    key = make_key()
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(key.private_pem + key.certificate_pem)
    return path


@pytest.fixture
def storage(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """Storage whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(certificate) as server:
        yield server
