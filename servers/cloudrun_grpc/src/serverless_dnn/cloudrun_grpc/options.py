"""The options that Cloud Run's server adds to those of every gRPC server."""

from dataclasses import dataclass

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
    token_certs_url: str | None = option(None, "Where the certificates of identity tokens are; Google's by default.")
    opentelemetry: bool = option(False, "Send traces as the OTEL_... variables say.", boolean, choices=BOOLEANS)
