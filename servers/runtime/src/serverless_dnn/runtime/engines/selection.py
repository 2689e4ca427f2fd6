"""Choose an engine for a model and load the model into it."""

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from serverless_dnn.runtime.engines.base import EngineOptions, LoadedModel
from serverless_dnn.runtime.errors import FailedPreconditionError
from serverless_dnn.runtime.signature import DEFAULT_SIGNATURE, Signature
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
# Measured with OpenVINO 2026.4: 1e300 comes back as the largest float32, 2**40 as 0. Signed 64-bit integers are
# narrowed too, but mostly are indices, which fit: the engine checks inputs call by call.
_NARROWED = frozenset({"float64", "uint64"})


def load_model(
    version_folder: Path,
    signatures: Mapping[str, Signature],
    options: EngineOptions,
    instance: Instance,
    model_name: str | None = None,
) -> LoadedModel:
    """Load a SavedModel into the engine asked for, or the one that fits.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        signatures: Its signatures.
        options: The engine and how to run it.
        instance: Takes the time spent importing and loading.
        model_name: The name it is served by; ``None`` takes that of the folder its versions lie in.

    Returns:
        The model.

    Raises:
        FailedPreconditionError: The engine is not installed, or cannot run this model; says what to do.
    """
    name, reason = _choose(signatures) if options.name == "auto" else (options.name, "asked for")
    if name == "remote":
        from serverless_dnn.runtime.engines.remote import RemoteModel

        return RemoteModel(
            model_name or version_folder.parent.name, int(version_folder.name), options, instance, reason
        )
    if find_spec(name) is None:
        raise FailedPreconditionError(
            f"engine {name} is not installed: pip install 'serverless-dnn-runtime[{name}]', or choose another engine"
        )
    if name == "openvino":
        from serverless_dnn.runtime.engines.openvino.model import OpenVinoModel

        try:
            return OpenVinoModel(version_folder, signatures, options, instance, reason)
        except FailedPreconditionError as error:
            if options.name != "auto" or find_spec("tensorflow") is None:
                raise
            reason = f"openvino cannot load this model: {error}"
            _log.warning("falling back to the tensorflow engine", extra={"reason": reason})
    from serverless_dnn.runtime.engines.tensorflow import TensorFlowModel

    return TensorFlowModel(version_folder, signatures, options, instance, reason)


def _choose(signatures: Mapping[str, Signature]) -> tuple[str, str]:
    if find_spec("openvino") is None:
        return "tensorflow", "openvino is not installed"
    if reason := why_not_openvino(signatures):
        return "tensorflow", reason
    outputs = signatures[DEFAULT_SIGNATURE].outputs.values()
    if narrowed := [spec.name for spec in outputs if spec.dtype.name == "int64"]:
        return "tensorflow", f"openvino computes 64-bit integers in 32 bits, and {', '.join(narrowed)} may need more"
    return "openvino", "installed, and the model's only signature is dense and numeric"


def why_not_openvino(signatures: Mapping[str, Signature]) -> str:
    """Why OpenVINO cannot stand for a whole SavedModel, as far as its signatures tell.

    OpenVINO's TensorFlow reader sees the default signature alone and knows neither strings nor sparse tensors.

    Args:
        signatures: The model's signatures.

    Returns:
        The reason, or an empty text when nothing speaks against it.
    """
    default = signatures.get(DEFAULT_SIGNATURE)
    if default is None:
        return f"the model has no signature {DEFAULT_SIGNATURE}, the only one openvino reads"
    if not default.supports_arrays:
        return "the model has sparse or composite tensors"
    tensors = (*default.inputs.values(), *default.outputs.values())
    if odd := [spec.name for spec in tensors if spec.dtype.kind not in "fiub"]:
        return f"openvino has no type for: {', '.join(odd)}"
    if narrowed := [spec.name for spec in tensors if spec.dtype.name in _NARROWED]:
        return f"openvino computes 64-bit floats and unsigned integers in 32 bits: {', '.join(narrowed)}"
    if others := sorted(set(signatures) - {DEFAULT_SIGNATURE}):
        return f"openvino reads {DEFAULT_SIGNATURE} alone, and the model also has: {', '.join(others)}"
    return ""
