"""The server's certificate and key, checked before they are used."""

import ssl
from pathlib import Path

import grpc

from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.settings import GrpcSettings


def server_credentials(settings: GrpcSettings) -> grpc.ServerCredentials | None:
    """Read the certificate and the key.

    Args:
        settings: The settings that name the files.

    Returns:
        The credentials; ``None`` for plaintext.

    Raises:
        InvalidArgumentError: A file cannot be read, is not in PEM form, or the key does not match the certificate.
    """
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if certificate is None or key is None:
        return None
    pair = (_read(key), _read(certificate))
    try:
        # An empty password, or OpenSSL would prompt for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = "the key does not belong to the certificate"
        else:
            why = f"expected a certificate chain and its key, without a password, in PEM form ({error.reason or error})"
        raise InvalidArgumentError(f"TLS with {certificate} and {key}: {why}") from None
    return grpc.ssl_server_credentials([pair])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgumentError(f"cannot read {path}: {error.strerror}") from None
