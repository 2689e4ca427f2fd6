"""What a platform carries of requests whose tensors may go by pre-signed URLs; pure."""

from serverless_dnn.bench.configuration import Configuration
from serverless_dnn.bench.load.samples import Sample
from serverless_dnn.bench.platforms import PLATFORMS


def went_by_url(configuration: Configuration, bytes_sent: int | None, bytes_received: int | None) -> bool:
    """Whether tensors of this size went by pre-signed URLs, and not through the platform.

    Args:
        configuration: How the model was called.
        bytes_sent: The size of the request; ``None`` if unknown.
        bytes_received: The size of the response.
    """
    platform = PLATFORMS.get(configuration.platform)
    if not configuration.by_url or platform is None or platform.payload_bytes is None:
        return False
    return max(bytes_sent or 0, bytes_received or 0) > platform.payload_bytes


def carried_bytes(configuration: Configuration, sample: Sample) -> int | None:
    """The bytes of a request's and its response's bodies that the platform carried.

    Args:
        configuration: How the model was called.
        sample: The request.

    Returns:
        Their sum, 0 for the kilobyte that two URLs take; ``None`` if unknown.
    """
    if sample.bytes_sent is None or sample.bytes_received is None:
        return None
    if went_by_url(configuration, sample.bytes_sent, sample.bytes_received):
        return 0
    return sample.bytes_sent + sample.bytes_received
