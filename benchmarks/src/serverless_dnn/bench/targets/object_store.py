"""A bucket on this machine, for tensors that go by pre-signed URLs; ``object_store_server`` is the process.

Servers use such URLs over TLS only, so that the store has a certificate, of an authority that is made for it and
trusted by those servers alone.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.targets.processes import start_server

_START_TIMEOUT_S = 60.0
_BUCKET = "sdnn"
_NEEDS = "pre-signed URLs need more packages: pip install 'serverless-dnn-bench[urls]'"


class ObjectStore:
    """A bucket on this machine; its process dies with this one, however that ends.

    Args:
        log_path: Where the process's output goes.

    Attributes:
        server_variables: The environment variables of servers that use its URLs.
        client_storage: Fields of ``S3Storage``, for clients that store tensors in it.

    Raises:
        OptionError: A package is missing.
        StartError: The process failed to start.
    """

    def __init__(self, log_path: Path) -> None:
        try:
            import boto3  # noqa: F401 - what the clients will need
            import trustme
        except ImportError:
            raise OptionError(_NEEDS) from None
        self._folder = tempfile.TemporaryDirectory(prefix="sdnn-object-store-")
        authority, certificate = Path(self._folder.name, "authority.pem"), Path(self._folder.name, "certificate.pem")
        made = trustme.CA()
        made.cert_pem.write_to_path(authority)
        made.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
        command = [sys.executable, "-m", "serverless_dnn.bench.targets.object_store_server", str(certificate)]
        log_path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._process = start_server(command, {}, log_path)
        except BaseException:
            self._folder.cleanup()
            raise
        try:
            port = self._process.wait_ready(_START_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise
        self.server_variables: Mapping[str, str] = {
            "SDNN_TRANSFER_HOSTS": f"localhost:{port}",
            "SDNN_TRANSFER_NETWORKS": "127.0.0.0/8,::1/128",
            "SSL_CERT_FILE": str(authority),
        }
        self.client_storage: Mapping[str, Any] = {
            "bucket": _BUCKET,
            "region": "us-east-1",
            "endpoint_url": f"https://localhost:{port}",
            "access_key": ("local", "local"),
            "ca_file": str(authority),
        }

    def stop(self) -> None:
        """End the process, and with it all objects."""
        self._process.stop()
        self._folder.cleanup()
