"""Checks identity tokens in the server itself, for deployments where no platform does so.

Cloud Run checks the caller's token and permission before a request reaches the container
(https://cloud.google.com/run/docs/authenticating/service-to-service); Knative and plain containers do not. Any Google
account can obtain a token for any audience, so the list of identities decides who may call.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
import grpc.aio
from google.auth import exceptions, jwt

from serverless_dnn.cloudrun_grpc.google_keys import GoogleKeys
from serverless_dnn.runtime.errors import PermissionDeniedError, ServingError, UnauthenticatedError, UnavailableError
from serverless_dnn.runtime.rpc.calls import abort_status

_ISSUERS = ("accounts.google.com", "https://accounts.google.com")
# Probes come from the platform, without a token.
_OPEN_METHODS = ("/grpc.health.v1.Health/",)


class TokenCheck(grpc.aio.ServerInterceptor):
    """Admits calls that carry a Google identity token for one of the audiences and an allowed identity.

    Args:
        keys: The certificates that verify tokens.
        audiences: The accepted values of the token's ``aud``: the service's URL, or a custom audience.
        identities: The accepted values of its verified ``email`` or its ``sub``; ``None`` allows any.
    """

    def __init__(self, keys: GoogleKeys, audiences: Sequence[str], identities: Sequence[str] | None) -> None:
        self._keys = keys
        self._audiences = list(audiences)
        self._identities = None if identities is None else {identity.lower() for identity in identities}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Check the call's token; see ``grpc.aio.ServerInterceptor``."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_OPEN_METHODS):
            return handler
        try:
            self._check(dict(handler_call_details.invocation_metadata or ()))
        except ServingError as error:
            return _refuse(handler, error)
        return handler

    def _check(self, metadata: Mapping[str, Any]) -> None:
        # If an application uses Authorization itself, the platform's token comes in the other header.
        header = metadata.get("x-serverless-authorization") or metadata.get("authorization") or ""
        scheme, _, token = str(header).partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("a call needs an identity token: authorization: Bearer TOKEN")
        certificates = self._keys.certificates
        if not certificates:
            raise UnavailableError("identity tokens cannot be checked yet: try again later")
        try:
            if jwt.decode_header(token).get("kid") not in certificates:  # type: ignore[no-untyped-call]
                self._keys.want_new()
            claims = jwt.decode(token, certs=certificates, audience=self._audiences)  # type: ignore[no-untyped-call]
        except (ValueError, exceptions.GoogleAuthError) as error:
            raise UnauthenticatedError(f"the identity token is not valid: {error}") from None
        if claims.get("iss") not in _ISSUERS:
            raise UnauthenticatedError(f"the identity token's issuer is {claims.get('iss')}")
        self._check_identity(claims)

    def _check_identity(self, claims: Mapping[str, Any]) -> None:
        if self._identities is None:
            return
        email = str(claims.get("email", "")).lower() if claims.get("email_verified") is True else ""
        subject = str(claims.get("sub", "")).lower()
        if not {email, subject} & self._identities - {""}:
            raise PermissionDeniedError(f"{email or subject or 'this identity'} is not among those that may call")


def _refuse(handler: Any, error: ServingError) -> "grpc.RpcMethodHandler[Any, Any]":
    async def abort(_request: Any, context: Any) -> None:
        await context.abort(*abort_status(error))

    async def abort_stream(_request: Any, context: Any) -> Any:
        await context.abort(*abort_status(error))
        yield b""

    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(abort_stream)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(abort_stream)
    return grpc.unary_unary_rpc_method_handler(abort)
