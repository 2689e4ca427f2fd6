"""Which proxy a server is reached through: the same rules for HTTP and gRPC."""

import ipaddress
from urllib.request import getproxies, proxy_bypass


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name.

    Args:
        host: A name or an address, without brackets.
    """
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_of(host: str, *, is_tls: bool, proxy: str | None) -> str | None:
    """The proxy to a host.

    Args:
        host: The host's name or address.
        is_tls: Whether the connection has TLS: that is what ``https_proxy`` and ``http_proxy`` are for.
        proxy: ``environment``, a URL, or ``None`` for none.

    Returns:
        The proxy's URL; ``None`` to connect directly, as always to loopback.
    """
    if proxy is None or is_loopback(host):
        return None
    if proxy != "environment":
        return proxy
    if proxy_bypass(host):
        return None
    return getproxies().get("https" if is_tls else "http")
