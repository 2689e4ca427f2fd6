"""What a server says about its models, and what it can be told: plain values, without protobuf."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal

import numpy as np

from serverless_dnn.client.errors import RequestError, StatusCode
from serverless_dnn.client.prediction import Timing


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a signature.

    Attributes:
        name: The name callers use.
        type_name: The tensor type's name, for example ``DT_FLOAT``.
        dtype: The numpy type, ``object`` (of ``bytes``) for strings; ``None`` if numpy has none.
        shape: Sizes, ``None`` where free; ``None`` as a whole if the rank is unknown.
    """

    name: str
    type_name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        """For example ``float32[?, 224, 224, 3]``."""
        kind = self.type_name if self.dtype is None else "string" if self.dtype.kind == "O" else self.dtype.name
        if self.shape is None:
            return f"{kind} of any shape"
        return f"{kind}[{', '.join('?' if size is None else str(size) for size in self.shape)}]"


@dataclass(frozen=True)
class Signature:
    """A function of a model.

    Attributes:
        name: For example ``serving_default``.
        method_name: For example ``tensorflow/serving/predict``.
        inputs: By name.
        outputs: By name.
    """

    name: str
    method_name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


@dataclass(frozen=True)
class VersionStatus:
    """The state of one version of a model.

    Attributes:
        version: Its number.
        state: ``START``, ``LOADING``, ``AVAILABLE``, ``UNLOADING`` or ``END``.
        error_code: Why it is not available; ``OK`` if nothing is wrong.
        error_message: The same in words.
    """

    version: int
    state: str
    error_code: StatusCode = StatusCode.OK
    error_message: str = ""

    @property
    def is_available(self) -> bool:
        """Whether it answers requests."""
        return self.state == "AVAILABLE"


@dataclass(frozen=True)
class Class:
    """A class that a model found.

    Attributes:
        label: Its label; empty if the model has none.
        score: Its score.
    """

    label: str
    score: float


@dataclass(frozen=True)
class Classification:
    """The result of ``classify``.

    Attributes:
        classes: For each example the classes, as the model ordered them.
        timing: Where the time went; ``None`` in the results of ``multi_inference``, which share one.
        model: The model that answered.
        version: Its version; ``None`` if not reported.
    """

    classes: tuple[tuple[Class, ...], ...]
    timing: Timing | None = None
    model: str = ""
    version: int | None = None


@dataclass(frozen=True)
class Regression:
    """The result of ``regress``; see ``Classification``.

    Attributes:
        values: A value for each example.
    """

    values: tuple[float, ...]
    timing: Timing | None = None
    model: str = ""
    version: int | None = None


@dataclass(frozen=True)
class Task:
    """One of the questions of ``multi_inference``, all about the same examples.

    Attributes:
        method: ``classify`` or ``regress``.
        signature: The signature; empty means ``serving_default``.
        model: The model; empty means the client's.
    """

    method: Literal["classify", "regress"]
    signature: str = ""
    model: str = ""


@dataclass(frozen=True)
class ModelConfig:
    """A model that a server is told to serve, with ``reload_config``.

    Attributes:
        name: The name callers use.
        base_path: The folder of its version folders, as the server sees it.
        versions: ``"latest"``, ``"all"``, or the numbers of the versions to serve.
        latest_count: With ``"latest"``, how many.
        labels: Versions by label.
    """

    name: str
    base_path: str | PurePath
    versions: Literal["latest", "all"] | tuple[int, ...] = "latest"
    latest_count: int = 1
    labels: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject what no server takes."""
        if not self.name or not str(self.base_path):
            raise RequestError("a model needs a name and a base_path")
        if isinstance(self.versions, str) and self.versions not in ("latest", "all"):
            raise RequestError(f"versions must be 'latest', 'all' or numbers, got {self.versions!r}")
