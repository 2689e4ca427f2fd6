"""Addresses to listen on, and readable reasons why the server cannot listen on one."""

import socket

from serverless_dnn.runtime.errors import UnavailableError


def listen_address(host: str, port: int) -> str:
    """Format a host and a port as an address.

    Args:
        host: A hostname or an IPv4 or IPv6 address.
        port: The port.

    Returns:
        For example ``127.0.0.1:8080`` or ``[::1]:8080``.
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cannot_listen(host: str, port: int) -> UnavailableError:
    """The error for an address a library could not listen on; binds it again to find out why.

    Args:
        host: A name or an address.
        port: The port.

    Returns:
        The error.
    """
    return UnavailableError(
        f"cannot listen on {listen_address(host, port)}: {_why(host, port) or 'it was briefly in use'}"
    )


def check_listening(host: str, port: int) -> None:
    """Check, before a long startup, that the server can listen on an address.

    Args:
        host: A name or an address.
        port: The port; 0 means any free port.

    Raises:
        UnavailableError: It cannot; the message states why.
    """
    if why := _why(host, port):
        raise UnavailableError(f"cannot listen on {listen_address(host, port)}: {why}")


def _why(host: str, port: int) -> str:
    """Why the address cannot be bound; empty if it can."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                # As servers do; otherwise a port would stay in use for a minute after the previous server's
                # connections.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except UnicodeError:
        return "the hostname is not valid"
    except socket.gaierror as error:
        return f"the host is not known ({error.strerror})"
    except OSError as error:
        return error.strerror or str(error)
    return ""
