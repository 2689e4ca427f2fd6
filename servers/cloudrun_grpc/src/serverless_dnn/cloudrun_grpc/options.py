"""The options that Cloud Run's server adds to those of every gRPC server."""

from dataclasses import dataclass

from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.options import BOOLEANS, boolean, option, port_number


def _comma_separated(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True)
class CloudRunOptions:
    """What Cloud Run's server adds to what all gRPC servers have.

    Attributes:
        port: The port to listen on; 0 takes any free one.
        metrics_port: Prometheus' page on a port of its own, for a collector beside the container; ``None`` has none.
        token_audiences: Calls must carry an identity token for one of these; empty leaves that to the platform.
        allowed_identities: Of these alone; each is an account's email, or its ``sub``.
        allow_any_identity: Of any account of Google's, which anybody can have.
        token_certs_url: Where the certificates of identity tokens are; ``None`` takes Google's.
        opentelemetry: Send traces as OpenTelemetry's own variables say.
    """

    port: int = option(8080, "The port to listen on; 0 takes any free one.", port_number, variable="PORT")
    metrics_port: int | None = option(None, "Serve Prometheus metrics on this port; none by default.", port_number)
    token_audiences: tuple[str, ...] = option(
        (),
        "Require an identity token of Google's for one of these audiences (comma-separated).",
        _comma_separated,
        name="token_audience",
    )
    allowed_identities: tuple[str, ...] = option(
        (),
        "The callers that --token-audience lets in: emails or subject ids of service accounts (comma-separated).",
        _comma_separated,
    )
    allow_any_identity: bool = option(
        False,
        "Let in any identity that Google vouches for, which anybody can have, instead of --allowed-identities.",
        boolean,
        choices=BOOLEANS,
    )
    token_certs_url: str | None = option(None, "Where the certificates of identity tokens are; Google's by default.")
    opentelemetry: bool = option(False, "Send traces as the OTEL_... variables say.", boolean, choices=BOOLEANS)

    def __post_init__(self) -> None:
        """Check the options against each other.

        Raises:
            InvalidArgumentError: Tokens are asked for, and not whose; or whose, and no tokens.
        """
        if self.token_audiences and not self.allowed_identities and not self.allow_any_identity:
            raise InvalidArgumentError(
                "--token-audience needs --allowed-identities, the callers to let in: a token for any audience is to be "
                "had by every Google account. --allow-any-identity true lets all of them in"
            )
        if (self.allowed_identities or self.allow_any_identity) and not self.token_audiences:
            raise InvalidArgumentError("identities are checked by their tokens: give --token-audience")
        if self.allowed_identities and self.allow_any_identity:
            raise InvalidArgumentError("--allowed-identities and --allow-any-identity exclude each other")
