"""What every engine offers, and the options all of them share."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from serverless_dnn.runtime.signature import Signature

EngineName = Literal["auto", "tensorflow", "openvino", "remote"]
Precision = Literal["f32", "bf16", "f16"]
Graph = Literal["signature", "frozen"]


@dataclass(frozen=True)
class EngineOptions:
    """How models are run.

    Attributes:
        name: The engine; ``auto`` takes OpenVINO where it is installed and proven to answer as TensorFlow does, else
            TensorFlow.
        precision: The arithmetic; anything but ``f32`` changes results and must pass the model's accuracy check.
        threads: Threads for one prediction; ``None`` takes the CPUs this process may use.
        cache_folder: Where OpenVINO keeps compiled models; ``None`` keeps none.
        graph: What TensorFlow runs: the model's signature as it is, or a copy with its weights as constants, which it
            can optimise further. ``bf16`` needs the copy.
        remote_target: Where the process listens that engine ``remote`` asks: ``host:port`` or ``unix:/path``.
    """

    name: EngineName = "auto"
    precision: Precision = "f32"
    threads: int | None = None
    cache_folder: Path | None = None
    graph: Graph = "signature"
    remote_target: str | None = None


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


may_block: ContextVar[bool] = ContextVar("may_block", default=True)
"""Whether the call in work may take long, which one on an event loop must not."""


class WouldBlockError(Exception):
    """A call would take long where it must not: make it again where it may."""


class LoadedModel(Protocol):
    """A model in an engine, ready to run; any number of threads may call it.

    Attributes:
        info: What runs it.
        concurrency: How many predictions it runs at once; more calls than that wait.
    """

    info: EngineInfo
    concurrency: int

    def run(self, signature: Signature, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run a signature.

        Args:
            signature: One of the model's.
            inputs: An array for each of its inputs, of the type and a shape that it accepts.

        Returns:
            An array for each of its outputs; the caller owns them.

        Raises:
            ServingError: The engine refused or failed, with the code that says why.
        """
        ...
