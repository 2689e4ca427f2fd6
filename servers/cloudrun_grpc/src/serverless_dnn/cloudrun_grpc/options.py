"""Options of the Cloud Run server beyond those of every gRPC server."""

from dataclasses import dataclass

from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.options import BOOLEANS, boolean, option, port_number


def _comma_separated(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True)
class CloudRunOptions:
    """Options specific to the Cloud Run server.

    Attributes:
        port: The port to listen on; 0 picks any free one.
        metrics_port: A separate port for Prometheus metrics, for a sidecar collector; ``None`` disables it.
        token_audiences: Calls must carry an identity token for one of these; empty leaves authentication to the
            platform.
        allowed_identities: The identities that may call; each is an account's email or its ``sub``.
        allow_any_identity: Whether any Google account may call, which anybody can have.
        token_certs_url: The URL of the certificates for identity tokens; ``None`` uses Google's.
        opentelemetry: Export traces, configured by OpenTelemetry's own variables.
    """

    port: int = option(8080, "The port to listen on; 0 picks any free one.", port_number, variable="PORT")
    metrics_port: int | None = option(None, "Serve Prometheus metrics on this port; none by default.", port_number)
    token_audiences: tuple[str, ...] = option(
        (),
        "Require a Google identity token for one of these audiences (comma-separated).",
        _comma_separated,
        name="token_audience",
    )
    allowed_identities: tuple[str, ...] = option(
        (),
        "Callers admitted by --token-audience: emails or subject ids of service accounts (comma-separated).",
        _comma_separated,
    )
    allow_any_identity: bool = option(
        False,
        "Admit any Google identity, which anybody can have, instead of --allowed-identities.",
        boolean,
        choices=BOOLEANS,
    )
    token_certs_url: str | None = option(None, "URL of the certificates for identity tokens; Google's by default.")
    opentelemetry: bool = option(
        False, "Export traces, configured by the OTEL_... variables.", boolean, choices=BOOLEANS
    )

    def __post_init__(self) -> None:
        """Check the options against each other.

        Raises:
            InvalidArgumentError: Tokens are required without allowed identities, or identities are given without
                tokens.
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
