"""A Predict request that is encoded once and sent many times."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.specs import Signature
from serverless_dnn.client.wire.exchange import Request


@dataclass(frozen=True, slots=True, eq=False)
class EncodedRequest:
    """What ``Client.encode`` returns, and ``Client.predict`` takes in place of inputs.

    It can be sent any number of times, by several threads at once, by other clients of the same model and API, with or
    without asyncio, and from other processes: it can be pickled.

    Attributes:
        address: The model with the version, label, signature and outputs that were asked for.
        api: The API it is encoded for, such as ``gRPC`` or ``Lambda``.
        request: The request.
        signature: The signature that it was checked by; ``None`` if it was not.
        inputs: Arrays by input name, which are needed if they must go by way of a storage: leave them as they are.
    """

    address: ModelAddress
    api: str
    request: Request = field(repr=False)
    signature: Signature | None = field(repr=False)
    inputs: Mapping[str, ArrayLike] = field(repr=False)

    @property
    def size_bytes(self) -> int:
        """The size of its body or message, which is what ``Timing.bytes_sent`` will be."""
        return len(self.request.body)
