"""The interface of every engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.settings import Precision


@dataclass(frozen=True)
class EngineInfo:
    """The engine of a model, as logged and reported to clients.

    Attributes:
        name: ``tensorflow``, ``openvino`` or ``remote``.
        version: The library's version; for ``remote``, the target's address.
        precision: The arithmetic.
        threads: Threads per prediction.
        reason: Why this engine was chosen.
        compiled_cache: ``hit``, ``filled`` or ``none``.
        proof: Why its results equal TensorFlow's: ``reference`` (it is TensorFlow), ``proven by list`` (every operator
            is proven), ``verified at compile`` (both engines were compared), or ``asked for by name`` (no proof).
        tensorflow_signatures: Signatures that TensorFlow runs even though this is another engine; it is loaded on the
            first call to one.
    """

    name: str
    version: str
    precision: Precision
    threads: int
    reason: str = ""
    compiled_cache: str = "none"
    proof: str = ""
    tensorflow_signatures: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version} {self.precision}"


class LoadedModel(Protocol):
    """A model in an engine, ready to run; thread-safe.

    Attributes:
        info: The engine that runs it.
        concurrency: How many predictions it runs at once; more calls than that wait.
    """

    info: EngineInfo
    concurrency: int

    def run(
        self, signature: Signature, inputs: Mapping[str, NDArray[Any]], deadline: Deadline = FOREVER
    ) -> dict[str, NDArray[Any]]:
        """Run a signature.

        Args:
            signature: One of the model's.
            inputs: An array for each of its inputs, with a type and shape it accepts.
            deadline: How long the caller waits. An engine that computes in this process finishes what it has started.

        Returns:
            An array for each of its outputs; the caller owns them.

        Raises:
            ServingError: The engine rejected the call or failed; the code states why.
        """
        ...
