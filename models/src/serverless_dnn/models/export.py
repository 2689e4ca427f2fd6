"""Write a model as a SavedModel in TensorFlow Serving's layout, ready to serve on every platform.

Weights are stored once (Keras' ``Model.export`` stores them twice), the files are written aside and renamed, and beside
them lie a manifest and the requests with which servers warm up.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from serverless_dnn.models.errors import ExportError
from serverless_dnn.models.registry import ModelCard, get_model
from serverless_dnn.models.workload import make_request
from serverless_dnn.protos.tensor import encode_tensor
from serverless_dnn.protos.v1 import predict_pb2, prediction_log_pb2

# Where TensorFlow Serving looks for them (g3doc/saved_model_warmup.md).
WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MANIFEST_FILE = Path("assets.extra") / "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Where an export comes from.

    Attributes:
        model: The model's name.
        version: The version's number.
        weights: ``random``, ``imagenet`` or the file they came from.
        seed: Of random weights; ``None`` for others.
        parameters: Numbers the model holds.
        packages: Versions of what wrote it.
        sha256: Of each file, by its path.
    """

    model: str
    version: int
    weights: str
    seed: int | None
    parameters: int
    packages: dict[str, str]
    sha256: dict[str, str]


def export_model(
    name: str,
    folder: Path,
    *,
    weights: str = "random",
    seed: int = 0,
    version: int = 1,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Path:
    """Build a model and write it to ``folder/name/version``.

    Args:
        name: The model.
        folder: Holds a folder for each model; made if missing.
        weights: ``random``, ``imagenet`` or a file.
        seed: Of random weights.
        version: The version's number.
        on_step: Told what is being done.

    Returns:
        The version's folder.

    Raises:
        ModelsError: No such model, no such weights, the version exists, or the disk refuses.
    """
    card = get_model(name)
    target = folder / name / str(version)
    if target.exists():
        raise ExportError(f"{target} exists: remove it, or export another --version")
    aside = target.with_name(f".{version}.{os.getpid()}.partial")
    try:
        aside.mkdir(parents=True)
        on_step("importing TensorFlow")
        from serverless_dnn.models.architectures.classifiers import build

        on_step(f"building with {weights} weights")
        model = build(card, weights, seed)
        on_step("writing the SavedModel")
        _save(model, card, aside)
        _write_warmup(card, aside)
        _write_manifest(model, card, aside, weights=weights, seed=seed, version=version)
        aside.rename(target)
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _save(model: Any, card: ModelCard, folder: Path) -> None:
    import tensorflow as tf

    class Servable(tf.Module):  # type: ignore[misc] # tensorflow ships no types
        def __init__(self) -> None:
            super().__init__()
            self.weights = [variable.value for variable in model.variables]

        @tf.function(input_signature=[tf.TensorSpec(spec.shape, spec.dtype, spec.name) for spec in card.inputs])  # type: ignore[untyped-decorator]
        def serve(self, *inputs: Any) -> dict[str, Any]:
            outputs = model(inputs[0] if len(inputs) == 1 else inputs, training=False)
            return {card.outputs[0].name: outputs}

    servable = Servable()
    signatures = {"serving_default": servable.serve}
    tf.saved_model.save(servable, str(folder), signatures, tf.saved_model.SaveOptions(save_debug_info=False))


def _write_warmup(card: ModelCard, folder: Path) -> None:
    import tensorflow as tf

    request = predict_pb2.PredictRequest(
        inputs={name: encode_tensor(array) for name, array in make_request(card.name).items()}
    )
    request.model_spec.name = card.name
    request.model_spec.signature_name = "serving_default"
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    path = folder / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())


def _write_manifest(model: Any, card: ModelCard, folder: Path, *, weights: str, seed: int, version: int) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = Manifest(
        model=card.name,
        version=version,
        weights=weights,
        seed=seed if weights == "random" else None,
        parameters=model.count_params(),
        packages={name: package_version(name) for name in ("tensorflow", "keras", "serverless-dnn-models")},
        sha256={str(path.relative_to(folder)): _sha256(path) for path in files},
    )
    (folder / MANIFEST_FILE).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
