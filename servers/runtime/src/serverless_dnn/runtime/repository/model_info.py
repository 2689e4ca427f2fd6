"""Information about a server's models: GetModelStatus and GetModelMetadata, for both gRPC and REST."""

from collections.abc import Sequence

from google.protobuf import any_pb2

from serverless_dnn.protos.v1 import model_metadata_pb2, model_spec_pb2, model_status_pb2, signature_pb2, status_pb2
from serverless_dnn.runtime.errors import InvalidArgumentError, NotFoundError, status_of
from serverless_dnn.runtime.inference.servable import Servable, servable_spec
from serverless_dnn.runtime.repository.model_repository import ModelRepository

SIGNATURE_FIELD = "signature_def"
# The type name by which TensorFlow Serving's clients unpack it.
_SIGNATURE_MAP_URL = "type.googleapis.com/tensorflow.serving.SignatureDefMap"


def find_servable(repository: ModelRepository, spec: model_spec_pb2.ModelSpec) -> Servable:
    """The servable named by a message.

    Args:
        repository: The models.
        spec: A model, and optionally a version or a label.

    Returns:
        The servable.

    Raises:
        ServingError: See ``ModelRepository.get``.
    """
    version = spec.version.value if spec.HasField("version") else None
    return repository.get(spec.name, version, spec.version_label or None)


def model_status(
    repository: ModelRepository, name: str, version: int | None = None
) -> model_status_pb2.GetModelStatusResponse:
    """The state of a model's versions.

    Args:
        repository: The models.
        name: The model.
        version: One version; ``None`` means all.

    Returns:
        The states, newest version first.

    Raises:
        InvalidArgumentError: The name is empty.
        NotFoundError: There is no such model or version; the messages are TensorFlow Serving's.
    """
    if not name:
        raise InvalidArgumentError("ModelSpec has no name specified.")
    statuses = repository.status(name)
    if not statuses:
        raise NotFoundError(f"Could not find any versions of model {name}")
    if version is not None:
        statuses = [status for status in statuses if status.version == version]
        if not statuses:
            raise NotFoundError(f"Could not find version {version} of model {name}")
    response = model_status_pb2.GetModelStatusResponse()
    for status in statuses:
        told = response.model_version_status.add(
            version=status.version, state=model_status_pb2.ModelVersionStatus.State.ValueType(status.state)
        )
        told.status.SetInParent()
        if status.error is not None:
            told.status.error_code = status_pb2.Code.ValueType(status_of(status.error).code)
            told.status.error_message = str(status.error)
    return response


def signature_map(servable: Servable) -> signature_pb2.SignatureDefMap:
    """A model's signatures as a message, without default input values, as in TensorFlow Serving.

    Args:
        servable: The model.

    Returns:
        The signatures by name.
    """
    signatures = signature_pb2.SignatureDefMap()
    for name, signature in servable.signatures.items():
        signatures.signature_def[name].CopyFrom(signature.definition)
        signatures.signature_def[name].defaults.clear()
    return signatures


def model_metadata(servable: Servable, fields: Sequence[str]) -> model_metadata_pb2.GetModelMetadataResponse:
    """A model's metadata.

    Args:
        servable: The model.
        fields: The requested fields; only ``signature_def`` exists.

    Returns:
        The message.

    Raises:
        InvalidArgumentError: No field, or an unknown one; the messages are TensorFlow Serving's.
    """
    if not fields:
        raise InvalidArgumentError("GetModelMetadataRequest must specify at least one metadata_field")
    for name in fields:
        if name != SIGNATURE_FIELD:
            raise InvalidArgumentError(f"Metadata field {name} is not supported")
    response = model_metadata_pb2.GetModelMetadataResponse(model_spec=servable_spec(servable))
    packed = any_pb2.Any(type_url=_SIGNATURE_MAP_URL, value=signature_map(servable).SerializeToString())
    response.metadata[SIGNATURE_FIELD].CopyFrom(packed)
    return response
