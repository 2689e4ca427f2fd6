"""Google's identity tokens, which Cloud Run asks for; needs the extra ``gcp``."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC

from serverless_dnn.client.errors import RequestError
from serverless_dnn.client.options import ClientOptions

# Renewed ahead of time: a token that expires on its way is refused.
_AHEAD_S = 300.0


def with_id_token(options: ClientOptions, audience: str) -> ClientOptions:
    """Options that send an identity token.

    Args:
        options: The options.
        audience: The service's URL.

    Raises:
        RequestError: google-auth is not installed.
    """
    return replace(options, id_token=False, token=id_token_source(audience))


def id_token_source(audience: str) -> Callable[[], str]:
    """Make a source of identity tokens, from the metadata server or a service account's key.

    Args:
        audience: The service's URL, which the tokens are for.

    Returns:
        What returns the token; it is fetched when first needed, and again five minutes before it expires.

    Raises:
        RequestError: google-auth is not installed.
    """
    try:
        import google.auth.exceptions
        import google.auth.transport.urllib3
        import google.oauth2.id_token
        import urllib3
    except ImportError:
        raise RequestError("identity tokens need google-auth: pip install 'serverless-dnn-client[gcp]'") from None
    lock = threading.Lock()
    fetched = ""
    expires_s = 0.0

    def token() -> str:
        nonlocal fetched, expires_s
        with lock:
            if time.time() > expires_s - _AHEAD_S:
                request = google.auth.transport.urllib3.Request(urllib3.PoolManager())  # type: ignore[no-untyped-call] # untyped
                try:
                    credentials = google.oauth2.id_token.fetch_id_token_credentials(audience, request)  # type: ignore[no-untyped-call] # untyped
                    credentials.refresh(request)
                except google.auth.exceptions.GoogleAuthError as error:
                    raise RequestError(
                        f"no identity token for {audience}: {error}; set GOOGLE_APPLICATION_CREDENTIALS to a service "
                        "account's key"
                    ) from None
                fetched, expires_s = str(credentials.token), credentials.expiry.replace(tzinfo=UTC).timestamp()
            return fetched

    return token
