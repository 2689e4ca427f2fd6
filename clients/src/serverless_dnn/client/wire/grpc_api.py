"""TensorFlow Serving's gRPC API."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, EncodeError, Message
from numpy.typing import ArrayLike

from serverless_dnn.client.errors import RequestError, ResponseError, StatusCode, server_error
from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.options import BodyFormat
from serverless_dnn.client.specs import Class, Classification, ModelConfig, Regression, Signature, Task, VersionStatus
from serverless_dnn.client.wire.exchange import Example, Outputs, Request, Response, Wire
from serverless_dnn.client.wire.messages import decode_response, encode_request, model_spec

PREDICT = "/tensorflow.serving.PredictionService/Predict"
_PREDICTION = "/tensorflow.serving.PredictionService/"
_MODEL = "/tensorflow.serving.ModelService/"
_METHODS = {"classify": "tensorflow/serving/classify", "regress": "tensorflow/serving/regress"}
_MessageT = TypeVar("_MessageT", bound=Message)


class GrpcApi(Wire):
    """TensorFlow Serving's gRPC API, which Cloud Run's server and OpenVINO Model Server have too."""

    name = "gRPC"

    def predict(
        self,
        address: ModelAddress,
        inputs: Mapping[str, ArrayLike],
        _body_format: BodyFormat = "auto",
        _signature: Signature | None = None,
    ) -> Request:
        """See ``Wire``."""
        return Request("GRPC", PREDICT, encode_request(address, inputs))

    def read_outputs(self, response: Response, _address: ModelAddress, _signature: Signature | None) -> Outputs:
        """See ``Wire``."""
        return Outputs(*decode_response(response.body))

    def classify(self, address: ModelAddress, examples: Sequence[Example]) -> Request:
        """See ``Wire``."""
        from serverless_dnn.client.wire.examples import input_of
        from serverless_dnn.protos.v1 import classification_pb2

        return _request(
            "Classify",
            classification_pb2.ClassificationRequest(model_spec=model_spec(address), input=input_of(examples)),
        )

    def read_classes(self, response: Response) -> tuple[tuple[Class, ...], ...]:
        """See ``Wire``."""
        from serverless_dnn.protos.v1 import classification_pb2

        return _classes(_read(classification_pb2.ClassificationResponse, response).result)

    def regress(self, address: ModelAddress, examples: Sequence[Example]) -> Request:
        """See ``Wire``."""
        from serverless_dnn.client.wire.examples import input_of
        from serverless_dnn.protos.v1 import regression_pb2

        return _request(
            "Regress", regression_pb2.RegressionRequest(model_spec=model_spec(address), input=input_of(examples))
        )

    def read_values(self, response: Response) -> tuple[float, ...]:
        """See ``Wire``."""
        from serverless_dnn.protos.v1 import regression_pb2

        return _values(_read(regression_pb2.RegressionResponse, response).result)

    def metadata(self, address: ModelAddress) -> Request:
        """See ``Wire``."""
        from serverless_dnn.protos.v1 import model_metadata_pb2

        message = model_metadata_pb2.GetModelMetadataRequest(
            model_spec=model_spec(address), metadata_field=["signature_def"]
        )
        return _request("GetModelMetadata", message)

    def read_signatures(self, response: Response) -> dict[str, Signature]:
        """See ``Wire``."""
        from serverless_dnn.client.wire.metadata import signatures_of
        from serverless_dnn.protos.v1 import model_metadata_pb2, signature_pb2

        packed = _read(model_metadata_pb2.GetModelMetadataResponse, response).metadata["signature_def"]
        return signatures_of(_parse(signature_pb2.SignatureDefMap, packed.value).signature_def)

    def status(self, address: ModelAddress) -> Request:
        """See ``Wire``."""
        from serverless_dnn.protos.v1 import model_status_pb2

        message = model_status_pb2.GetModelStatusRequest(model_spec=model_spec(address))
        return _request("GetModelStatus", message, _MODEL)

    def read_versions(self, response: Response) -> list[VersionStatus]:
        """See ``Wire``."""
        from serverless_dnn.client.wire.metadata import versions_of
        from serverless_dnn.protos.v1 import model_status_pb2

        return versions_of(_read(model_status_pb2.GetModelStatusResponse, response))

    def multi_inference(self, address: ModelAddress, tasks: Sequence[Task], examples: Sequence[Example]) -> Request:
        """See ``Wire``."""
        from serverless_dnn.client.wire.examples import input_of
        from serverless_dnn.protos.v1 import multi_inference_pb2

        message = multi_inference_pb2.MultiInferenceRequest(input=input_of(examples))
        for task in tasks:
            spec = model_spec(address)
            spec.name, spec.signature_name = task.model or address.name, task.signature
            message.tasks.add(model_spec=spec, method_name=_METHODS[task.method])
        return _request("MultiInference", message)

    def read_results(self, response: Response) -> list[Classification | Regression]:
        """See ``Wire``."""
        from serverless_dnn.protos.v1 import multi_inference_pb2

        results: list[Classification | Regression] = []
        for result in _read(multi_inference_pb2.MultiInferenceResponse, response).results:
            spec = result.model_spec
            version = spec.version.value if spec.HasField("version") else None
            if result.HasField("classification_result"):
                classes = _classes(result.classification_result)
                results.append(Classification(classes, model=spec.name, version=version))
            else:
                results.append(Regression(_values(result.regression_result), model=spec.name, version=version))
        return results

    def reload_config(self, configs: Sequence[ModelConfig]) -> Request:
        """See ``Wire``."""
        from serverless_dnn.protos.v1 import model_config_pb2

        message = model_config_pb2.ReloadConfigRequest()
        # Set even without models: that unloads all, where an absent list is an error.
        message.config.model_config_list.SetInParent()
        try:
            for config in configs:
                _add(message.config.model_config_list, config)
        except (TypeError, ValueError) as error:
            raise RequestError(f"this is not a model config: {error}") from None
        return _request("HandleReloadConfigRequest", message, _MODEL)

    def read_reloaded(self, response: Response) -> None:
        """See ``Wire``."""
        from serverless_dnn.protos.v1 import model_config_pb2

        status = _read(model_config_pb2.ReloadConfigResponse, response).status
        if status.error_code:
            raise server_error(StatusCode(status.error_code), status.error_message)


def _add(configs: Any, config: ModelConfig) -> None:
    added = configs.config.add(name=config.name, base_path=str(config.base_path), model_platform="tensorflow")
    policy = added.model_version_policy
    if config.versions == "all":
        policy.all.SetInParent()
    elif config.versions == "latest":
        policy.latest.num_versions = config.latest_count
    else:
        policy.specific.versions.extend(config.versions)
    added.version_labels.update(config.labels)


def _request(method: str, message: Message, service: str = _PREDICTION) -> Request:
    try:
        return Request("GRPC", service + method, message.SerializeToString())
    except (EncodeError, ValueError) as error:
        raise RequestError(f"this request has no protobuf form: {error}") from None


def _read(kind: type[_MessageT], response: Response) -> _MessageT:
    return _parse(kind, response.body)


def _parse(kind: type[_MessageT], body: bytes) -> _MessageT:
    message = kind()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise ResponseError(f"the answer is not a {kind.__name__}: {error}") from None
    return message


def _classes(result: Any) -> tuple[tuple[Class, ...], ...]:
    return tuple(
        tuple(Class(found.label, found.score) for found in classification.classes)
        for classification in result.classifications
    )


def _values(result: Any) -> tuple[float, ...]:
    return tuple(regression.value for regression in result.regressions)
