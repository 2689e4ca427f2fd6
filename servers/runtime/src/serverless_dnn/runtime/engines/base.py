"""What every engine offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.settings import Precision


@dataclass(frozen=True)
class EngineInfo:
    """What runs a model, as logged and as told to clients.

    Attributes:
        name: ``tensorflow``, ``openvino`` or ``remote``.
        version: The library's version; of ``remote``, where it listens.
        precision: The arithmetic.
        threads: Threads for one prediction.
        reason: Why this engine was taken.
        compiled_cache: ``hit``, ``filled`` or ``none``.
        proof: Why its answers are TensorFlow's: ``reference`` (they are), ``proven by list`` (every operator is),
            ``verified at compile`` (both engines were compared), or ``asked for by name`` (nothing says so).
        tensorflow_signatures: Signatures that TensorFlow runs although this engine is another; it is loaded for them
            when one is first called.
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
    """A model in an engine, ready to run; any number of threads may call it.

    Attributes:
        info: What runs it.
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
            inputs: An array for each of its inputs, of the type and a shape that it accepts.
            deadline: Until when the caller waits. An engine that computes in this process finishes what it began.

        Returns:
            An array for each of its outputs; the caller owns them.

        Raises:
            ServingError: The engine refused or failed, with the code that says why.
        """
        ...
