"""Addresses to listen on, and why one cannot be listened on, in the operator's words."""

import socket

from serverless_dnn.runtime.errors import UnavailableError


def listen_address(host: str, port: int) -> str:
    """The address of a host and a port.

    Args:
        host: A name or an address of version 4 or 6.
        port: The port.

    Returns:
        Such as ``127.0.0.1:8080`` or ``[::1]:8080``.
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cannot_listen(host: str, port: int) -> UnavailableError:
    """The error for an address on which a library could not listen: tries it once more, to learn why.

    Args:
        host: A name or an address.
        port: The port.

    Returns:
        The error.
    """
    return UnavailableError(
        f"cannot listen on {listen_address(host, port)}: {_why(host, port) or 'it was taken for a moment'}"
    )


def check_listening(host: str, port: int) -> None:
    """Check, before a long start, that an address can be listened on.

    Args:
        host: A name or an address.
        port: The port; 0 stands for any free one.

    Raises:
        UnavailableError: It cannot, and why.
    """
    if why := _why(host, port):
        raise UnavailableError(f"cannot listen on {listen_address(host, port)}: {why}")


def _why(host: str, port: int) -> str:
    """What happens when the address is bound to; empty when nothing does."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                # As servers do, or a port would be in use for a minute after the last one's connections.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except UnicodeError:
        return "the host's name is not one"
    except socket.gaierror as error:
        return f"the host is not known ({error.strerror})"
    except OSError as error:
        return error.strerror or str(error)
    return ""
