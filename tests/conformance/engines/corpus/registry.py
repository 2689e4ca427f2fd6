"""What a model of the corpus is, and how a module enters its own."""

import importlib
import operator
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Random = np.random.Generator
Inputs = Mapping[str, tuple[Sequence[int | None] | None, str]]
BatchOfCases = Sequence["Case | Arrays"] | Callable[[Random], Sequence["Case | Arrays"]]


class LazyModule:
    """A module that is imported when it is first used: pytest collects the names of models without TensorFlow."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


tf, keras, layers = LazyModule("tensorflow"), LazyModule("keras"), LazyModule("keras.layers")


def named(path: str) -> Callable[[Any], Any]:
    """TensorFlow's function of one tensor with a name such as `nn.relu`, found when it is called."""

    def call(x: Any) -> Any:
        return operator.attrgetter(path)(tf)(x)

    return call


@dataclass(frozen=True)
class Case:
    """One call of a model."""

    inputs: Arrays
    signature: str = "serving_default"


@dataclass(frozen=True)
class Model:
    """A SavedModel, the calls it gets, and what a right answer is.

    Attributes:
        name: Unique in the corpus.
        group: The kind of model.
        build: Writes the version folder it is given.
        make_cases: Gives the calls.
        rtol: The relative difference between floating point answers that counts as rounding.
        atol: The absolute one.
        exact: No rounding is accepted, and zeros keep their signs.
        random: Answers follow a distribution, and differ from call to call where TensorFlow's do.
        stateful: A call changes the answers to the following ones.
        engine: What `auto` must choose; `None` where either is right.
        accepted: A reason for each kind of difference that is no fault.
        defaults: The inputs a caller may leave out, which the signature's function asks for.
    """

    name: str
    group: str
    build: Callable[[Path, Random], None]
    make_cases: Callable[[Random], Sequence[Case | Arrays]]
    rtol: float = 1e-4
    atol: float = 1e-5
    exact: bool = False
    random: bool = False
    stateful: bool = False
    engine: Literal["openvino", "tensorflow"] | None = None
    accepted: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def generator(self, purpose: str) -> Random:
        """Numbers that depend on nothing but the names."""
        return np.random.default_rng(zlib.crc32(f"{self.name} {purpose}".encode()))

    def cases(self) -> list[Case]:
        """The calls, the same ones each time."""
        made = self.make_cases(self.generator("cases"))
        cases = [case if isinstance(case, Case) else Case(case) for case in made]
        return [
            replace(case, inputs={name: np.asarray(array) for name, array in case.inputs.items()}) for case in cases
        ]

    def write(self, version_folder: Path) -> None:
        """Write the SavedModel."""
        self.build(version_folder, self.generator("build"))


MODELS: dict[str, Model] = {}


@dataclass(frozen=True)
class Group:
    """Enters the models of one kind."""

    name: str

    def add(self, name: str, build: Callable[[Path, Random], None], cases: BatchOfCases, **options: Any) -> None:
        """Enter a model that writes its own folder."""
        if name in MODELS:
            raise ValueError(f"two models are called {name}")
        make_cases = cases if callable(cases) else lambda _: cases
        MODELS[name] = Model(name, self.name, build, make_cases, **options)

    def folder(self, cases: BatchOfCases, **options: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Enter the decorated function of a folder and a generator, which writes the folder."""

        def enter(build: Callable[..., None]) -> Callable[..., None]:
            self.add(build.__name__, build, cases, **options)
            return build

        return enter

    def add_function(
        self,
        name: str,
        call: Callable[..., Any],
        inputs: Inputs,
        cases: BatchOfCases,
        *,
        weights: Mapping[str, Sequence[int]] | None = None,
        autograph: bool = False,
        **options: Any,
    ) -> None:
        """Enter a model of one function of tensors; `weights` are variables given to it by name, of these shapes."""

        def build(folder: Path, random: Random) -> None:
            module = tf.Module()
            module.kept = {
                key: tf.Variable(random.normal(size=shape).astype(np.float32) / 2)
                for key, shape in (weights or {}).items()
            }

            def serve(**tensors: Any) -> Any:
                answer = call(**tensors, **module.kept)
                return answer if isinstance(answer, dict) else {"y": answer}

            specs = {key: tf.TensorSpec(shape, dtype, key) for key, (shape, dtype) in inputs.items()}
            module.serve = tf.function(serve, autograph=autograph)
            tf.saved_model.save(module, str(folder), module.serve.get_concrete_function(**specs))

        self.add(name, build, cases, **options)

    def function(
        self, inputs: Inputs, cases: BatchOfCases, **options: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Enter the decorated function of tensors."""

        def enter(call: Callable[..., Any]) -> Callable[..., Any]:
            self.add_function(call.__name__, call, inputs, cases, **options)
            return call

        return enter

    def keras(self, cases: BatchOfCases, **options: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """Enter the decorated function that makes a Keras model; its weights are moved away from what they begin as."""

        def enter(make: Callable[[], Any]) -> Callable[[], Any]:
            def build(folder: Path, random: Random) -> None:
                keras.utils.set_random_seed(1)
                model = make()
                for variable in model.weights:
                    if "float" in str(variable.dtype):
                        # Small and positive, which a moving variance stays under.
                        variable.assign_add(random.random(tuple(variable.shape)).astype(np.float32) / 5)
                model.export(str(folder), verbose=False)

            self.add(make.__name__, build, cases, **options)
            return make

        return enter
