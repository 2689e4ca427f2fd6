"""What a fuzzed model is, and how a module enters its own."""

import importlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class LazyModule:
    """A module that is imported when it is first used: pytest collects the names of models without TensorFlow."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


tf, raw = LazyModule("tensorflow"), LazyModule("tensorflow.raw_ops")


@dataclass(frozen=True)
class Given:
    """An input of a model, which a caller decides.

    Attributes:
        shape: Its sizes; a name stands for a size that is free, and as a rule the same wherever it stands in one call.
            ``None`` when the rank is free too.
        dtype: Its type.
        about: A whole number near which the boundary of what is valid lies, such as the number of rows for indices.
        sizes: Its values stand for sizes.
    """

    shape: tuple[int | str, ...] | None
    dtype: str = "float32"
    about: int | None = None
    sizes: bool = False


FREE, CUBE, ROW, NUMBER = Given(("a", "b")), Given(("a", "b", "c")), Given(("a",)), Given(())
IMAGES = Given(("n", "h", "w", 2))


def sizes(*shape: int | str, dtype: str = "int32") -> Given:
    """Whole numbers that stand for sizes."""
    return Given(shape, dtype, sizes=True)


def places(*shape: int | str, about: int = 4, dtype: str = "int32") -> Given:
    """Whole numbers that stand for places, such as indices, of which there are about so many."""
    return Given(shape, dtype, about=about)


@dataclass(frozen=True)
class FuzzedModel:
    """A model around one or two operators, and what may come out of it.

    Attributes:
        name: Unique.
        call: A function of tensors, whose names are the inputs'.
        inputs: The inputs by name.
        adds: Where every number of every output must be one of the inputs' or one of these: others were read where
            nobody wrote them. ``None`` where the model computes.
        variable: The value of a variable, which the function takes as ``v``.
        spares_tensorflow: Calls are not such that guards hand them over to TensorFlow, which ends the process for some.
    """

    name: str
    call: Callable[..., Any]
    inputs: Mapping[str, Given]
    adds: tuple[float, ...] | None = None
    variable: Sequence[Sequence[float]] | None = None
    spares_tensorflow: bool = False

    @property
    def seed(self) -> int:
        """A number of its own."""
        return zlib.crc32(self.name.encode())

    def write(self, version_folder: Path) -> None:
        """Write the SavedModel."""
        module = tf.Module()
        module.given = {} if self.variable is None else {"v": tf.Variable(self.variable)}

        def serve(**tensors: Any) -> Any:
            answer = self.call(**tensors, **module.given)
            if isinstance(answer, (list, tuple)):
                return {f"y{number}": tensor for number, tensor in enumerate(answer)}
            return answer if isinstance(answer, dict) else {"y": answer}

        specs = {name: tf.TensorSpec(_free(given.shape), given.dtype, name) for name, given in self.inputs.items()}
        module.serve = tf.function(serve, autograph=False)
        tf.saved_model.save(module, str(version_folder), module.serve.get_concrete_function(**specs))


def _free(shape: tuple[int | str, ...] | None) -> list[int | None] | None:
    return None if shape is None else [None if isinstance(size, str) else size for size in shape]


MODELS: dict[str, FuzzedModel] = {}


def enter(
    name: str,
    call: Callable[..., Any],
    adds: tuple[float, ...] | None = None,
    *,
    variable: Sequence[Sequence[float]] | None = None,
    spares_tensorflow: bool = False,
    **inputs: Given,
) -> None:
    """Enter a model; see `FuzzedModel`."""
    if name in MODELS:
        raise ValueError(f"two models are called {name}")
    MODELS[name] = FuzzedModel(name, call, inputs, adds, variable, spares_tensorflow)
