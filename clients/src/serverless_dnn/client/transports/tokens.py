"""The bearer token of a call."""

from serverless_dnn.client.errors import ClientError, RequestError
from serverless_dnn.client.options import ClientOptions


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
