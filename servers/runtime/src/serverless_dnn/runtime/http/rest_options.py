"""How predictions over HTTP are limited, and in which formats."""

from dataclasses import dataclass

from serverless_dnn.runtime.http.body_formats import TENSORFLOW_SERVING_BODIES, BodyFormats


@dataclass(frozen=True)
class RestOptions:
    """Options of predictions over HTTP.

    Attributes:
        max_body_bytes: The largest body after decompression.
        timeout_s: How long a request may take, in seconds; ``None`` means no limit.
        bodies: The body formats.
    """

    max_body_bytes: int
    timeout_s: float | None = None
    bodies: BodyFormats = TENSORFLOW_SERVING_BODIES
