"""Write a model as a SavedModel in TensorFlow Serving's layout, ready to serve on every platform.

Weights are stored once (Keras' ``Model.export`` stores them twice), everything is written to a temporary folder that is
renamed at the end, and a manifest and the servers' warm-up requests are included.
"""

import ctypes
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from serverless_dnn.models.errors import ExportError
from serverless_dnn.models.registry import ModelCard, get_model
from serverless_dnn.models.workload import warmup_request
from serverless_dnn.protos.tensor import encode_tensor
from serverless_dnn.protos.v1 import predict_pb2, prediction_log_pb2

# Where TensorFlow Serving looks for them (g3doc/saved_model_warmup.md).
WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MANIFEST_FILE = Path("assets.extra") / "manifest.json"
OPENVINO_FILE = Path("assets.extra") / "openvino" / "model.xml"
SAGEMAKER_ARCHIVE = "model.tar.gz"
# linux/fcntl.h, linux/fs.h
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@dataclass(frozen=True)
class ExportOptions:
    """What is written.

    Attributes:
        weights: ``random``, ``imagenet`` or a file.
        seed: Seed of random weights.
        version: Version number.
        frozen: Store weights as graph constants instead of variables: loads faster, cannot be trained further.
        openvino: Also write OpenVINO's own format.
        sagemaker: Also write SageMaker's ``model.tar.gz``.
    """

    weights: str = "random"
    seed: int = 0
    version: int = 1
    frozen: bool = False
    openvino: bool = False
    sagemaker: bool = False


@dataclass(frozen=True)
class Manifest:
    """Where an export comes from.

    Attributes:
        model: The model's name.
        options: How it was exported.
        parameters: Number of parameters.
        notes: What a user must know about the weights.
        packages: Versions of the packages that wrote it.
        sha256: SHA-256 of each file, by path.
    """

    model: str
    options: ExportOptions
    parameters: int
    notes: tuple[str, ...]
    packages: dict[str, str]
    sha256: dict[str, str]


def export_model(
    name: str,
    folder: Path,
    options: ExportOptions,
    on_step: Callable[[str], None] = lambda _step: None,
    *,
    overwrite: bool = False,
) -> Path:
    """Build a model and write it to ``folder/name/version``.

    Args:
        name: The model.
        folder: Holds one folder per model; created if missing.
        options: What is written.
        on_step: Called with each step; what a user must know about the weights starts with ``note:``.
        overwrite: Replace the version atomically if it exists.

    Returns:
        The version's folder.

    Raises:
        ModelsError: No such model or weights, the version exists, TensorFlow is not installed, or writing failed.
    """
    card = get_model(name)
    target = folder / name / str(options.version)
    if target.exists() and not overwrite:
        raise ExportError(f"{target} exists: replace it with --overwrite, or export another --version")
    aside = target.with_name(f".{options.version}.{os.getpid()}.partial")
    made = [path for path in aside.parents if not path.exists()]
    try:
        aside.mkdir(parents=True)
        _write(card, aside, target, options, on_step)
        _put_in_place(aside, target)
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        # Servers would treat an empty folder as a model without versions.
        with suppress(OSError):
            for path in made:
                path.rmdir()
    return target


def _write(card: ModelCard, aside: Path, target: Path, options: ExportOptions, on_step: Callable[[str], None]) -> None:
    on_step("importing TensorFlow")
    try:
        import tensorflow as tf

        from serverless_dnn.models.architectures.building import build
    except ImportError as error:
        raise ExportError(
            f"building needs TensorFlow: pip install 'serverless-dnn-models[tensorflow]' ({error})"
        ) from None
    on_step(f"building with {options.weights} weights")
    built = build(card, options.weights, options.seed)
    for note in built.notes:
        on_step(f"note: {note}")
    on_step("writing the SavedModel")
    try:
        _save(built.call, built.model.weights, card, aside, frozen=options.frozen)
        if options.openvino:
            on_step("converting to OpenVINO's format")
            _save_openvino(aside)
        _write_warmup(card, aside)
    except tf.errors.OpError as error:
        raise OSError(f"{error.message}") from error
    _write_manifest(Manifest(card.name, options, built.parameters, built.notes, _packages(), _hashes(aside)), aside)
    if options.sagemaker:
        on_step(f"packing {SAGEMAKER_ARCHIVE}")
        _write_archive(aside, target)


def _put_in_place(aside: Path, target: Path) -> None:
    """Rename, or exchange with the existing version, so that a complete version is in place at every moment."""
    if not target.exists():
        aside.rename(target)
        return
    # renameat2(2) with RENAME_EXCHANGE, paths relative to the working directory.
    library = ctypes.CDLL(None, use_errno=True)
    if library.renameat2(_AT_FDCWD, os.fsencode(aside), _AT_FDCWD, os.fsencode(target), _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _save(call: Callable[..., Any], variables: list[Any], card: ModelCard, folder: Path, *, frozen: bool) -> None:
    import tensorflow as tf

    specs = [tf.TensorSpec(spec.shape, spec.dtype, spec.name) for spec in card.inputs]

    class Servable(tf.Module):  # type: ignore[misc] # tensorflow ships no types
        def __init__(self) -> None:
            super().__init__()
            self.weights = [variable.value for variable in variables]

        @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
        def serve(self, *inputs: Any) -> dict[str, Any]:
            return {card.outputs[0].name: call(*inputs)}

    class Frozen(tf.Module):  # type: ignore[misc] # tensorflow ships no types
        def __init__(self, function: Any) -> None:
            super().__init__()
            self._function = function

        @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
        def serve(self, *inputs: Any) -> dict[str, Any]:
            return {card.outputs[0].name: self._function(*inputs)[0]}

    servable: Any = Servable()
    if frozen:
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        servable = Frozen(convert_variables_to_constants_v2(servable.serve.get_concrete_function()))
    signatures = {"serving_default": servable.serve}
    tf.saved_model.save(servable, str(folder), signatures, tf.saved_model.SaveOptions(save_debug_info=False))


def _save_openvino(folder: Path) -> None:
    try:
        import openvino
    except ImportError:
        raise ExportError("--openvino needs OpenVINO: pip install 'serverless-dnn-models[openvino]'") from None
    (folder / OPENVINO_FILE).parent.mkdir(parents=True)
    model = openvino.Core().read_model(str(folder))
    try:
        openvino.save_model(model, str(folder / OPENVINO_FILE), compress_to_fp16=False)
    # OpenVINO reports failed writes only this way.
    except RuntimeError as error:
        raise OSError(f"OpenVINO: {error}") from error


def _write_warmup(card: ModelCard, folder: Path) -> None:
    import tensorflow as tf

    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(
        predict_pb2.PredictRequest(
            inputs={name: encode_tensor(array) for name, array in warmup_request(card.name).items()}
        )
    )
    log.predict_log.request.model_spec.name = card.name
    log.predict_log.request.model_spec.signature_name = "serving_default"
    path = folder / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())


def _packages() -> dict[str, str]:
    return {name: package_version(name) for name in ("tensorflow", "keras", "serverless-dnn-models")}


def _hashes(folder: Path) -> dict[str, str]:
    hashes = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            hashes[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def _write_manifest(manifest: Manifest, folder: Path) -> None:
    (folder / MANIFEST_FILE).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")


def _write_archive(folder: Path, target: Path) -> None:
    """Pack a version for ``ModelDataUrl`` without owners or timestamps, so that the same model gives the same bytes."""
    aside = target.with_name(f".{SAGEMAKER_ARCHIVE}.{os.getpid()}.partial")

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    try:
        # Weights hardly compress, so a higher level would only cost time.
        with tarfile.open(aside, "w:gz", compresslevel=1) as archive:
            archive.add(folder, arcname=f"{target.parent.name}/{target.name}", filter=anonymous)
        aside.rename(target.with_name(SAGEMAKER_ARCHIVE))
    finally:
        aside.unlink(missing_ok=True)
