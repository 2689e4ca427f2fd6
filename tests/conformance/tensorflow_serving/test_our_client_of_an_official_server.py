"""Our client of a server made of the official tensorflow-serving-api stubs."""

from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serverless_dnn.client import GrpcClient, ModelConfig, RequestError, ServerError, StatusCode

_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE
DTYPES = [
    *(
        "float16",
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "bool",
    ),
    *("complex64", "complex128"),
    *(getattr(ml_dtypes, name) for name in ("bfloat16", "float8_e5m2", "float8_e4m3fn")),
]


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers with its inputs, in either form of a tensor."""

    def __init__(self) -> None:
        self.as_values = False

    def Predict(self, request: Any, _context: Any) -> Any:  # noqa: N802 - gRPC's name
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        response.model_spec.version.value = 3
        for name, tensor in request.inputs.items():
            array = tf.make_ndarray(tensor)
            if self.as_values and array.dtype.kind in "fiub":
                made = tf.compat.v1.make_tensor_proto(array)
                made.ClearField("tensor_content")
                made.ClearField("float_val")
                made.ClearField("int_val")
                made.ClearField("bool_val")
                field = {"f": "float_val", "i": "int_val", "u": "int_val", "b": "bool_val"}[array.dtype.kind]
                getattr(made, field).extend(array.ravel().tolist())
                response.outputs[name].CopyFrom(made)
            else:
                response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return response

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        if request.model_spec.name == "secret":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not told")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        signature = signatures.signature_def["serving_default"]
        signature.inputs["x"].name, signature.inputs["x"].dtype = "x:0", tf.float32.as_datatype_enum
        signature.inputs["x"].tensor_shape.dim.add(size=-1)
        response.metadata["signature_def"].Pack(signatures)
        return response


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self) -> None:
        self.config: Any = None

    def GetModelStatus(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - gRPC's name
        response = get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(version=3, state=_AVAILABLE)
        response.model_version_status.add(version=5, state=get_model_status_pb2.ModelVersionStatus.LOADING)
        return response

    def HandleReloadConfigRequest(self, request: Any, _context: Any) -> Any:  # noqa: N802 - gRPC's name
        self.config = request.config
        response = model_management_pb2.ReloadConfigResponse()
        if not request.config.model_config_list.config:
            response.status.error_code, response.status.error_message = 3, "no models"
        return response


@pytest.fixture
def official() -> Iterator[tuple[str, _Prediction, _Models]]:
    with futures.ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads)
        prediction, models = _Prediction(), _Models()
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction, server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}", prediction, models
        server.stop(None)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_type_goes_and_comes_back(dtype: Any, official: Any) -> None:
    array = np.array([[0, 1], [1, 0]]).astype(dtype)

    with GrpcClient(official[0], "secret") as client:
        for given in (array, array.T, array[:, :1], array[:0], array[0, 0]):
            found = client.predict({"x": given}).outputs["x"]
            assert (found.dtype, found.shape) == (np.asarray(given).dtype, np.shape(given))
            np.testing.assert_array_equal(found, given)


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_values_are_read_as_well_as_raw_content(dtype: str, official: Any) -> None:
    official[1].as_values = True

    with GrpcClient(official[0], "secret") as client:
        assert client.predict({"x": np.array([[1, 0]], dtype)}).outputs["x"].tolist() == [[1, 0]]


def test_texts(official: Any) -> None:
    with GrpcClient(official[0], "secret") as client:
        for given in (["a", b"\xff", "ü"], [["a"], ["b"]], "a", np.array(["a", "b"])):
            found = client.predict({"x": given}).outputs["x"]
            expected = np.array(given, object)
            assert found.shape == expected.shape
            assert [each if isinstance(each, bytes) else each.encode() for each in expected.ravel()] == list(
                found.ravel()
            )


def test_what_it_says_of_itself(official: Any) -> None:
    with GrpcClient(official[0], "m") as client:
        assert str(client.signatures()["serving_default"].inputs["x"]) == "float32[?]"
        assert [(each.version, each.state) for each in client.versions()] == [(5, "LOADING"), (3, "AVAILABLE")]
        prediction = client.predict({"x": [1, 2]})
        assert (prediction.version, prediction.timing.server) == (3, None)
        with pytest.raises(RequestError):
            client.predict({"x": ["a"]})


def test_its_configuration(official: Any) -> None:
    target, _, models = official
    with GrpcClient(target, "m") as client:
        client.reload_config([ModelConfig("a", "/a", "all"), ModelConfig("b", "/b", (1, 2), labels={"stable": 1})])
        with pytest.raises(ServerError, match="no models") as raised:
            client.reload_config([])

    assert raised.value.code is StatusCode.INVALID_ARGUMENT
    assert not models.config.model_config_list.config
