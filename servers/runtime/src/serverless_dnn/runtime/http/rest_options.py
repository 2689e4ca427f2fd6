"""How predictions over HTTP are limited, and in which formats."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serverless_dnn.runtime.http.body_formats import TENSORFLOW_SERVING_BODIES, BodyFormats

if TYPE_CHECKING:
    from serverless_dnn.runtime.http.transfers import Transfers


@dataclass(frozen=True)
class RestOptions:
    """Options of predictions over HTTP.

    Attributes:
        max_body_bytes: The largest body after decompression.
        timeout_s: How long a request may take, in seconds; ``None`` means no limit.
        bodies: The body formats.
        transfers: Reads requests from pre-signed URLs and writes responses to them; ``None`` leaves such bodies alone.
    """

    max_body_bytes: int
    timeout_s: float | None = None
    bodies: BodyFormats = TENSORFLOW_SERVING_BODIES
    transfers: "Transfers | None" = None
