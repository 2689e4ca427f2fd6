"""How a platform reads request bodies and chooses the type of responses."""

from collections.abc import Callable
from dataclasses import dataclass

from serverless_dnn.runtime.codecs.content_types import ContentType, sent_type, wanted_type
from serverless_dnn.runtime.http.messages import HttpRequest


@dataclass(frozen=True)
class BodyFormats:
    """The body formats of one platform's API.

    Attributes:
        sent: The content type with which to decode a Predict request; raises if the platform refuses the request's.
        wanted: The content type of the response, given the request and the type it was sent in.
        examples: Rewrites a Classify or Regress body, inflated, as TensorFlow Serving's JSON.
    """

    sent: Callable[[HttpRequest], ContentType]
    wanted: Callable[[HttpRequest, ContentType], ContentType]
    examples: Callable[[HttpRequest, bytes], bytes]


TENSORFLOW_SERVING_BODIES = BodyFormats(
    sent=lambda request: sent_type(request.content_type),
    wanted=lambda request, sent: wanted_type(request.headers.get("accept", ""), sent),
    examples=lambda _request, body: body,
)
"""TensorFlow Serving's REST API: whatever is not a known binary type is JSON."""
