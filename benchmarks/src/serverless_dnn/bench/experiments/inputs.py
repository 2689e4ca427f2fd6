"""What is sent: the sample of one of the paper's models, a file of the user's, or what a signature asks for."""

import hashlib
import math
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.experiments.options import RunOptions
from serverless_dnn.client import ClientOptions, RequestError, Signature, TensorSpec, connect
from serverless_dnn.client.inputs import fit_inputs
from serverless_dnn.models.errors import UnknownModelError
from serverless_dnn.models.image_classification import load_photograph
from serverless_dnn.models.registry import ModelCard, get_model
from serverless_dnn.models.workload import SAMPLE_CREDIT, make_request

Arrays = Mapping[str, NDArray[Any]]
GENERATED = (
    "generated from the signature: sizes that it leaves open are 1, floats in [0, 1), integers 0 or 1, "
    "strings short words"
)
"""The rule by which inputs are made where nobody gave any."""
_PHOTOGRAPHS = frozenset({".jpg", ".jpeg", ".png"})
_SIGNATURE = "serving_default"
_SAVED_MODEL = "saved_model.pb"
LINKS_FOLDER = ".links"
_DIGEST_LETTERS = 12
# A model may have to be loaded first.
_SIGNATURES_TIMEOUT_S = 300.0
_WORDS = (b"a", b"film", b"of", b"rare", b"warmth")
_SHOWN_NAMES = 8


@dataclass(frozen=True)
class ModelInputs:
    """The inputs of one request.

    Attributes:
        arrays: By input name; an npz file can hold them.
        description: What they are, and under which licence.
        output_name: The model's only output, for responses that do not name it; ``None`` if there are several.
    """

    arrays: Arrays
    description: str
    output_name: str | None


def make_inputs(options: RunOptions, url: str, model: str) -> ModelInputs:
    """Make the inputs of a run's requests.

    Args:
        options: The run's options.
        url: A server of the model, which is asked for the signature unless it is one of the paper's models.
        model: The model's name.

    Returns:
        The inputs.

    Raises:
        OptionError: A file cannot be used, or is not what the model takes.
        InputError: A photograph cannot be read.
        ClientError: The server does not tell the signature.
    """
    card = _card(model) if options.model_path is None else None
    if card is None:
        return inputs_of_signature(_ask(url, model), options.input, options.workload.seed)
    output_name = card.outputs[0].name if len(card.outputs) == 1 else None
    if options.input is not None and _is_npz(options.input):
        return ModelInputs(_read_npz(options.input, _signature_of(card)), str(options.input), output_name)
    if card.task == "text-classification":
        if options.input is not None:
            raise OptionError(f"{model} takes a text, and {options.input} is a photograph: give its arrays as an npz")
        return ModelInputs(make_request(model), "the sample text, its words hashed to tokens", output_name)
    description = SAMPLE_CREDIT if options.input is None else str(options.input)
    return ModelInputs(make_request(model, options.input), description, output_name)


def check_file(file: Path) -> None:
    """See that a file can be read at all, before a model is exported and servers are started for it.

    Args:
        file: The user's input.

    Raises:
        OptionError: It is no npz of arrays, or of an unknown kind.
        InputError: It is no photograph that can be read.
    """
    if _is_npz(file):
        _load_npz(file)
    else:
        load_photograph(file)


def check_model(path: Path) -> None:
    """See that a path is the user's own model, before anything is started for it.

    Args:
        path: A SavedModel, or a folder of version folders.

    Raises:
        OptionError: There is no SavedModel.
    """
    folder = path.resolve()
    children = _children(path, folder)
    if (folder / _SAVED_MODEL).is_file() or _has_versions(children):
        return
    found = ", ".join(sorted(each.name for each in children)[:_SHOWN_NAMES]) or "nothing"
    raise OptionError(
        f"expected {path} to be a SavedModel (a folder with {_SAVED_MODEL}) or a folder of its versions (1/, 2/, ...); "
        f"it holds {found}"
    )


def inputs_of_signature(signature: Signature, file: Path | None, seed: int) -> ModelInputs:
    """Make inputs for any model.

    Args:
        signature: Its signature.
        file: Arrays by input name (npz), or a photograph; ``None`` generates them.
        seed: Of what is generated.

    Returns:
        The inputs.

    Raises:
        OptionError: The file cannot be used, or the signature has inputs that an npz cannot hold.
        InputError: A photograph cannot be read.
    """
    output_name = next(iter(signature.outputs)) if len(signature.outputs) == 1 else None
    if file is None:
        arrays = _generate(signature.inputs.values(), seed)
        return ModelInputs(arrays, f"{GENERATED}; seed {seed}", output_name)
    if _is_npz(file):
        return ModelInputs(_read_npz(file, signature), str(file), output_name)
    image = _image_input(signature, file)
    others = [spec for spec in signature.inputs.values() if spec is not image]
    arrays = {image.name: _read_photograph(file, image), **_generate(others, seed)}
    rest = f"; {', '.join(spec.name for spec in others)} {GENERATED}; seed {seed}" if others else ""
    shape = "x".join(map(str, arrays[image.name].shape))
    scale = "" if arrays[image.name].dtype == np.uint8 else ", scaled to [0, 1]"
    return ModelInputs(arrays, f"{file}, resized to {shape}{scale}{rest}", output_name)


def lay_out_model(path: Path, models_folder: Path) -> tuple[str, Path]:
    """Find the user's own model, in the form that servers take.

    Args:
        path: A SavedModel, or a folder of version folders.
        models_folder: Gets a folder with a link to it, where a SavedModel has no version.

    Returns:
        The model's name, from its folder, and the folder of its versions.

    Raises:
        OptionError: There is no SavedModel.
    """
    check_model(path)
    folder = path.resolve()
    if (folder / _SAVED_MODEL).is_file():
        is_version = folder.name.isdecimal() and folder.parent.name != ""
        name = _model_name(folder.parent if is_version else folder)
        # Two models of one name are two folders.
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:_DIGEST_LETTERS]
        link = models_folder.resolve() / LINKS_FOLDER / digest / name / (folder.name if is_version else "1")
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(folder, target_is_directory=True)
        return name, link.parent
    return _model_name(folder), folder


def _has_versions(folders: Iterable[Path]) -> bool:
    return any(each.name.isdecimal() and (each / _SAVED_MODEL).is_file() for each in folders)


def _children(path: Path, folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise OptionError(f"cannot read the model {path}: {error.strerror}") from None


def _model_name(folder: Path) -> str:
    # What every platform takes in URLs, headers and environment variables.
    return re.sub(r"[^A-Za-z0-9_.-]", "_", folder.name) or "model"


def _card(model: str) -> ModelCard | None:
    try:
        return get_model(model)
    except UnknownModelError:
        return None


def _signature_of(card: ModelCard) -> Signature:
    inputs = {spec.name: TensorSpec(spec.name, spec.dtype, np.dtype(spec.dtype), spec.shape) for spec in card.inputs}
    return Signature(_SIGNATURE, "tensorflow/serving/predict", inputs, {})


def _ask(url: str, model: str) -> Signature:
    with connect(url, model, ClientOptions(timeout_s=_SIGNATURES_TIMEOUT_S)) as client:
        signatures = client.signatures()
    if _SIGNATURE not in signatures:
        raise OptionError(
            f"{model} has no signature {_SIGNATURE}, which is what is called: it has {', '.join(signatures) or 'none'}"
        )
    return signatures[_SIGNATURE]


def _is_npz(file: Path) -> bool:
    """Whether a file has arrays, and not a photograph; what has neither is refused."""
    kind = file.suffix.lower()
    if kind != ".npz" and kind not in _PHOTOGRAPHS:
        kinds = ", ".join(sorted(_PHOTOGRAPHS))
        raise OptionError(f"expected an input of arrays by name (.npz) or a photograph ({kinds}), got {file}")
    return kind == ".npz"


def _load_npz(file: Path) -> Arrays:
    try:
        # A file of a single array is no zip.
        with zipfile.ZipFile(file), np.load(file, allow_pickle=False) as given:
            return {name: given[name] for name in given.files}
    except OSError as error:
        raise OptionError(f"cannot read {file}: {error.strerror or error}") from None
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise OptionError(
            f"expected {file} to be an npz of arrays without pickled objects (texts as numpy's S or U): {error}"
        ) from None


def _read_npz(file: Path, signature: Signature) -> Arrays:
    arrays = _load_npz(file)
    if set(arrays) != set(signature.inputs):
        wanted = ", ".join(f"{spec.name} {spec}" for spec in signature.inputs.values()) or "no inputs"
        raise OptionError(f"expected {file} to hold {wanted}; it holds {', '.join(arrays) or 'nothing'}")
    try:
        return fit_inputs(signature, arrays)
    except RequestError as error:
        raise OptionError(f"{file} does not fit: {error}") from None


def _image_input(signature: Signature, file: Path) -> TensorSpec:
    fitting = [
        spec
        for spec in signature.inputs.values()
        if spec.dtype is not None
        and (spec.dtype.kind == "f" or spec.dtype == np.uint8)
        and spec.shape is not None
        and len(spec.shape) == 4
        and spec.shape[0] in (None, 1)
        and spec.shape[3] == 3
    ]
    if len(fitting) != 1:
        has = ", ".join(f"{spec.name} {spec}" for spec in signature.inputs.values()) or "none"
        raise OptionError(
            f"a photograph ({file}) needs one input such as float32[?, 224, 224, 3] or uint8[?, 224, 224, 3], and the "
            f"model has {has}: give its arrays as an npz"
        )
    return fitting[0]


def _read_photograph(file: Path, spec: TensorSpec) -> NDArray[Any]:
    assert spec.shape is not None
    assert spec.dtype is not None
    photograph = load_photograph(file)
    # An open size is the photograph's own.
    size = (spec.shape[2] or photograph.width, spec.shape[1] or photograph.height)
    pixels = np.asarray(photograph.resize(size))[np.newaxis]
    return pixels if spec.dtype == np.uint8 else (pixels / 255).astype(spec.dtype)


def _generate(specs: Iterable[TensorSpec], seed: int) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(seed)
    return {spec.name: _generate_one(spec, random) for spec in specs}


def _generate_one(spec: TensorSpec, random: np.random.Generator) -> NDArray[Any]:
    shape = (1,) if spec.shape is None else tuple(1 if size is None else size for size in spec.shape)
    kind = None if spec.dtype is None else spec.dtype.kind
    if kind == "f":
        # The largest float16 below 1: none is rounded to it.
        return np.minimum(random.random(shape), 1 - 2**-11).astype(spec.dtype)
    if kind == "c":
        return (random.random(shape) + 1j * random.random(shape)).astype(spec.dtype)
    if kind in ("i", "u", "b"):
        return random.integers(0, 2, shape).astype(spec.dtype)
    if kind == "O":
        return np.array([_WORDS[number % len(_WORDS)] for number in range(math.prod(shape))]).reshape(shape)
    raise OptionError(f"the input {spec.name} is {spec}, which has no form in an npz file: it cannot be benchmarked")
