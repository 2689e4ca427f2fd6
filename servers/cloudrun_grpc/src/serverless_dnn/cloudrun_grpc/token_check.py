"""Identity tokens checked in the server itself, for where no platform does it in front.

Cloud Run checks the caller's token before a request reaches the container
(https://cloud.google.com/run/docs/authenticating/service-to-service); Knative and plain containers do not.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
import grpc.aio
import requests
from google.auth import exceptions, jwt

_log = logging.getLogger(__name__)
GOOGLE_CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"
_ISSUERS = ("accounts.google.com", "https://accounts.google.com")
_CERTS_AGE_S = 3600.0
# Tokens that name an unknown key must not make the server ask for keys with every call.
_MIN_REFRESH_S = 30.0
_TIMEOUT_S = 5.0
# Probes come from the platform, without a token.
_OPEN_METHODS = ("/grpc.health.v1.Health/",)


class TokenCheck(grpc.aio.ServerInterceptor):
    """Lets calls through that carry an identity token of Google's for one of the audiences.

    Args:
        audiences: What the token's ``aud`` must be one of: the service's URL, or one's own.
        certs_url: Where the issuer's certificates are, as a JSON object by key id.
    """

    def __init__(self, audiences: tuple[str, ...], certs_url: str = GOOGLE_CERTS_URL) -> None:
        self._audiences = list(audiences)
        self._certs_url = certs_url
        self._certs: Mapping[str, str] = {}
        self._fetched_s = float("-inf")
        self._fetching = threading.Lock()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Check the call's token; see ``grpc.aio.ServerInterceptor``."""
        if handler_call_details.method.startswith(_OPEN_METHODS):
            return await continuation(handler_call_details)
        metadata = dict(handler_call_details.invocation_metadata or ())
        reason = await asyncio.to_thread(self._why_not, metadata)
        handler = await continuation(handler_call_details)
        return handler if not reason or handler is None else _refuse(handler, reason)

    def _why_not(self, metadata: Mapping[str, Any]) -> str:
        # Where an application uses Authorization itself, the platform's token comes in the other.
        header = metadata.get("x-serverless-authorization") or metadata.get("authorization") or ""
        scheme, _, token = str(header).partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "a call needs an identity token: authorization: Bearer TOKEN"
        try:
            claims = jwt.decode(token, certs=self._certificates(token), audience=self._audiences)  # type: ignore[no-untyped-call]
        except (ValueError, exceptions.GoogleAuthError) as error:
            return f"the identity token is not valid: {error}"
        except requests.RequestException as error:
            _log.warning("cannot get the certificates of identity tokens", extra={"error": str(error)})
            return "identity tokens cannot be checked now"
        return "" if claims.get("iss") in _ISSUERS else f"the identity token's issuer is {claims.get('iss')}"

    def _certificates(self, token: str) -> Mapping[str, str]:
        key_id = jwt.decode_header(token).get("kid")  # type: ignore[no-untyped-call]
        with self._fetching:
            age_s = time.monotonic() - self._fetched_s
            if age_s > _CERTS_AGE_S or (key_id not in self._certs and age_s > _MIN_REFRESH_S):
                response = requests.get(self._certs_url, timeout=_TIMEOUT_S)
                response.raise_for_status()
                self._certs, self._fetched_s = response.json(), time.monotonic()
            return self._certs


def _refuse(handler: Any, reason: str) -> "grpc.RpcMethodHandler[Any, Any]":
    async def abort(_request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, reason)

    async def abort_stream(_request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, reason)
        yield b""

    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(abort_stream)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(abort_stream)
    return grpc.unary_unary_rpc_method_handler(abort)
