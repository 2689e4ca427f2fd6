"""Select an engine for a model and load the model into it."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from serverless_dnn.runtime.engines.base import LoadedModel
from serverless_dnn.runtime.errors import FailedPreconditionError
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance


def load_model(
    version_folder: Path,
    signatures: Mapping[str, Signature],
    options: EngineOptions,
    instance: Instance,
    model_name: str | None = None,
) -> LoadedModel:
    """Load a SavedModel into the requested engine, or the one that fits.

    Args:
        version_folder: The folder that holds ``saved_model.pb``.
        signatures: Its signatures.
        options: The engine and how to run it.
        instance: Records the time spent importing and loading.
        model_name: The name it is served under; ``None`` uses the name of the folder that holds its versions.

    Returns:
        The model.

    Raises:
        FailedPreconditionError: The engine is not installed or cannot run this model; the message says what to do.
    """
    if options.name == "remote":
        from serverless_dnn.runtime.engines.remote import RemoteModel

        name = model_name or version_folder.parent.name
        return RemoteModel(name, int(version_folder.name), options, instance, "asked for")
    if options.name == "tensorflow":
        return _load_tensorflow(version_folder, signatures, options, instance, "asked for")
    if find_spec("openvino") is None:
        if options.name == "openvino":
            raise _not_installed("openvino")
        return _load_tensorflow(version_folder, signatures, options, instance, "openvino is not installed")
    from serverless_dnn.runtime.engines.openvino.loading import load_openvino

    try:
        return load_openvino(version_folder, signatures, options, instance)
    except FailedPreconditionError as error:
        if options.name == "openvino":
            raise FailedPreconditionError(f"{error}: use --engine tensorflow") from error
        if find_spec("tensorflow") is None:
            raise FailedPreconditionError(
                f"{error}: that takes the tensorflow engine, which is not installed: "
                "pip install 'serverless-dnn-runtime[tensorflow]'"
            ) from error
        return _load_tensorflow(version_folder, signatures, options, instance, str(error))


def _load_tensorflow(
    version_folder: Path, signatures: Mapping[str, Signature], options: EngineOptions, instance: Instance, reason: str
) -> LoadedModel:
    if find_spec("tensorflow") is None:
        raise _not_installed("tensorflow")
    from serverless_dnn.runtime.engines.tensorflow.model import TensorFlowModel

    return TensorFlowModel(version_folder, signatures, options, instance, reason)


def _not_installed(name: str) -> FailedPreconditionError:
    return FailedPreconditionError(
        f"engine {name} is not installed: pip install 'serverless-dnn-runtime[{name}]', or choose another engine"
    )
