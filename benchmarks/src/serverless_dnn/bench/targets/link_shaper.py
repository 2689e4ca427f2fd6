"""A network link in front of a target on this machine; ``link_relay`` is the process, and says what it models."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.targets.link import Link
from serverless_dnn.bench.targets.processes import start_server

_START_TIMEOUT_S = 60.0


class LinkShaper:
    """A link in front of a target on this machine; it dies with this process, however that ends.

    Args:
        url: The target's URL, with a host and a port.
        link: The link.
        log_path: Where the process's output goes.

    Attributes:
        url: What to call instead of the target's URL.
        link: The link.

    Raises:
        OptionError: The URL has no port, or has TLS, whose certificate would be for another address.
        StartError: The process failed to start.
    """

    def __init__(self, url: str, link: Link, log_path: Path) -> None:
        parts = urlsplit(url)
        if not parts.hostname or not parts.port or parts.scheme.rpartition("+")[2] not in ("grpc", "http"):
            raise OptionError(f"a link leads to a target such as grpc://HOST:PORT or http://HOST:PORT, not to {url!r}")
        module = "serverless_dnn.bench.targets.link_relay"
        command = [sys.executable, "-m", module, parts.hostname, str(parts.port), str(link)]
        self._process = start_server(command, {}, log_path)
        try:
            port = self._process.wait_ready(_START_TIMEOUT_S)
        except BaseException:
            self._process.stop(0)
            raise
        self.url = parts._replace(netloc=f"127.0.0.1:{port}").geturl()
        self.link = link

    def stop(self) -> None:
        """End the process, and with it all connections."""
        self._process.stop()
