"""The bearer token of a call, and where it may be sent."""

from serverless_dnn.client.errors import ClientError, RequestError
from serverless_dnn.client.options import ClientOptions


def check_token(options: ClientOptions, target: str, *, is_private: bool) -> None:
    """Refuse to send a token where others can read it.

    Args:
        options: The client's options.
        target: The server, for the message.
        is_private: Whether the connection has TLS, or does not leave the machine's memory.

    Raises:
        RequestError: There is a token, and the connection is not private.
    """
    if options.token is not None and not is_private and not options.allow_plaintext_token:
        raise RequestError(
            f"a token would be sent to {target} without TLS, for everybody to read: use grpcs:// or https://, or "
            "allow_plaintext_token=True"
        )


def bearer(options: ClientOptions) -> str | None:
    """The value of the header ``authorization``.

    Args:
        options: The client's options.

    Returns:
        The value; ``None`` without a token.

    Raises:
        RequestError: The token cannot be had.
    """
    if options.token is None:
        return None
    if isinstance(options.token, str):
        return f"Bearer {options.token}"
    try:
        return f"Bearer {options.token()}"
    except ClientError:
        raise
    except Exception as error:
        raise RequestError(f"the token cannot be had: {type(error).__name__}: {error}") from error
