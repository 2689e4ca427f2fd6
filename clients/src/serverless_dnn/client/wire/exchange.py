"""A request and a response, and what every wire can make of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import ArrayLike, NDArray

from serverless_dnn.client.errors import RequestError
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.options import BodyFormat
from serverless_dnn.client.specs import Class, Classification, ModelConfig, Regression, Signature, Task, VersionStatus

Example = Mapping[str, ArrayLike]
"""Features by name: a number, a text, or a list of them."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        method: An HTTP method, or ``GRPC``.
        path: An HTTP path, or a gRPC method such as ``/tensorflow.serving.PredictionService/Predict``.
        body: The body or message.
        headers: HTTP headers in lower case.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """What came back.

    Attributes:
        body: The body or message.
        headers: HTTP headers in lower case, or gRPC's metadata.
        status: The HTTP status; 200 over gRPC.
    """

    body: bytes
    headers: Mapping[str, str]
    status: int = 200

    @property
    def server_timing(self) -> str:
        """The server's timing as it reported it; empty if it did not, as TensorFlow Serving itself."""
        return self.headers.get("server-timing", "")


class Outputs(NamedTuple):
    """A decoded Predict response.

    Attributes:
        arrays: By output name.
        version: The version that answered; ``None`` if not reported.
    """

    arrays: dict[str, NDArray[Any]]
    version: int | None


class Wire(ABC):
    """Makes requests of one kind of API, and reads its responses; does no I/O.

    Every ``read`` method raises ServerError for an error that the server answered with, and ResponseError for a
    response that cannot be read.

    Attributes:
        name: For messages.
        max_request_bytes: The largest request that the platform takes; ``None`` without a limit.
    """

    name: str
    max_request_bytes: int | None = None

    @abstractmethod
    def predict(
        self,
        address: ModelAddress,
        inputs: Mapping[str, ArrayLike],
        body_format: BodyFormat,
        signature: Signature | None,
    ) -> Request:
        """A Predict request; with ``auto``, in the format that every server takes."""

    @abstractmethod
    def read_outputs(self, response: Response, address: ModelAddress, signature: Signature | None) -> Outputs:
        """The outputs in a Predict response."""

    @abstractmethod
    def classify(self, address: ModelAddress, examples: Sequence[Example]) -> Request:
        """A Classify request."""

    @abstractmethod
    def read_classes(self, response: Response) -> tuple[tuple[Class, ...], ...]:
        """The classes of each example."""

    @abstractmethod
    def regress(self, address: ModelAddress, examples: Sequence[Example]) -> Request:
        """A Regress request."""

    @abstractmethod
    def read_values(self, response: Response) -> tuple[float, ...]:
        """The value of each example."""

    @abstractmethod
    def metadata(self, address: ModelAddress) -> Request:
        """A request for the model's signatures."""

    @abstractmethod
    def read_signatures(self, response: Response) -> dict[str, Signature]:
        """The signatures by name."""

    @abstractmethod
    def status(self, address: ModelAddress) -> Request:
        """A request for the state of the model's versions."""

    @abstractmethod
    def read_versions(self, response: Response) -> list[VersionStatus]:
        """The versions, newest first."""

    def unwrap(self, response: Response) -> Response:
        """Take a response out of the platform's envelope, if there is one.

        Args:
            response: The response.

        Raises:
            ServerError: The platform itself answered with an error.
            ResponseError: The envelope is not what the platform sends.
        """
        return response

    def check(self, _response: Response) -> None:
        """Raise the error that a server answered with, if it did; over gRPC those are no responses."""
        return

    def by_url(self, _address: ModelAddress, _inputs_url: str, _outputs_url: str) -> Request:
        """A Predict request whose tensors are at a URL, and whose outputs go to another."""
        raise RequestError(f"{self.name} takes no URLs in place of tensors")

    def read_uploaded(self, _response: Response) -> str:
        """The content type of the outputs that were written to a URL."""
        raise RequestError(f"{self.name} takes no URLs in place of tensors")

    def read_stored(
        self, _content_type: str, _body: bytes, _signature: Signature | None, _names: Sequence[str]
    ) -> Outputs:
        """The outputs that were written to a URL."""
        raise RequestError(f"{self.name} takes no URLs in place of tensors")

    def multi_inference(self, _address: ModelAddress, _tasks: Sequence[Task], _examples: Sequence[Example]) -> Request:
        """A MultiInference request."""
        raise RequestError(f"multi_inference is part of the gRPC API, and not of {self.name}")

    def read_results(self, _response: Response) -> list[Classification | Regression]:
        """The result of each task."""
        raise RequestError(f"multi_inference is part of the gRPC API, and not of {self.name}")

    def reload_config(self, _configs: Sequence[ModelConfig]) -> Request:
        """A HandleReloadConfig request."""
        raise RequestError(f"reload_config is part of the gRPC API, and not of {self.name}")

    def read_reloaded(self, _response: Response) -> None:
        """Check that a configuration was taken."""
        raise RequestError(f"reload_config is part of the gRPC API, and not of {self.name}")
