"""The official tensorflow-serving-api stubs work unchanged against `sdnn-cloudrun`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serverless_dnn.protos.tensor import decode_tensor, encode_tensor
from serverless_dnn.protos.v1 import prediction_service_pb2, status_pb2
from serverless_dnn.protos.v1 import prediction_service_pb2_grpc as own_pb2_grpc

ENGINES = ("tensorflow", "openvino")


@pytest.fixture
def channel(models: Path, deploy: Callable[..., str]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(deploy("cloudrun", "half_plus_two", models).removeprefix("grpc://")) as open_channel:
        yield open_channel


@pytest.fixture
def typed_channel(models: Path, deploy: Callable[..., str]) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(deploy("cloudrun", "types", models).removeprefix("grpc://")) as open_channel:
        yield open_channel


def _request(model: str, **inputs: object) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


@pytest.mark.parametrize("engine", ENGINES)
def test_predict_on_each_engine(engine: str, models: Path, deploy: Callable[..., str]) -> None:
    url = deploy("cloudrun", "half_plus_two", models, engine)
    with grpc.insecure_channel(url.removeprefix("grpc://")) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response, call = stub.Predict.with_call(_request("half_plus_two", x=np.float32([1, 2, 5])), timeout=30)

    assert tf.make_ndarray(response.outputs["y"]).tolist() == [2.5, 3.0, 4.5]
    assert (response.model_spec.name, response.model_spec.version.value) == ("half_plus_two", 12)
    assert response.model_spec.signature_name == "serving_default"
    assert "compute;dur=" in dict(call.trailing_metadata())["server-timing"]


def test_values_and_raw_content_give_equal_answers(channel: grpc.Channel) -> None:
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    as_content = _request("half_plus_two", x=[1.0, 2.0])
    assert as_content.inputs["x"].tensor_content
    as_values = predict_pb2.PredictRequest.FromString(as_content.SerializeToString())
    as_values.inputs["x"].ClearField("tensor_content")
    as_values.inputs["x"].float_val.extend([1.0, 2.0])

    answers = [stub.Predict(request, timeout=30).outputs["y"] for request in (as_values, as_content)]

    assert answers[0] == answers[1]


def test_a_single_value_fills_the_shape(channel: grpc.Channel) -> None:
    request = _request("half_plus_two", x=[6.0])
    request.inputs["x"].tensor_shape.dim[0].size = 3

    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)

    assert tf.make_ndarray(response.outputs["y"]).tolist() == [5.0, 5.0, 5.0]


def test_no_rows_are_an_empty_answer(channel: grpc.Channel) -> None:
    request = _request("half_plus_two", x=np.zeros(0, np.float32))

    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)

    assert tf.make_ndarray(response.outputs["y"]).shape == (0,)


def test_strings_integers_and_booleans(typed_channel: grpc.Channel) -> None:
    request = _request("types", words=["a", "ü"], counts=np.int32([1, 2]), flags=[True, False])

    outputs = prediction_service_pb2_grpc.PredictionServiceStub(typed_channel).Predict(request, timeout=30).outputs

    assert tf.make_ndarray(outputs["joined"]).tolist() == [b"a-1", "ü-2".encode()]
    assert tf.make_ndarray(outputs["counts"]).tolist() == [2, 4]
    assert tf.make_ndarray(outputs["flags"]).tolist() == [False, True]


def test_only_the_outputs_asked_for(typed_channel: grpc.Channel) -> None:
    request = _request("types", words=["a"], counts=np.int32([1]), flags=[True])
    request.output_filter.extend(["flags", "counts"])

    response = prediction_service_pb2_grpc.PredictionServiceStub(typed_channel).Predict(request, timeout=30)

    assert set(response.outputs) == {"flags", "counts"}


def test_metadata_unpacks_as_tensorflow_servings(typed_channel: grpc.Channel) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "types"

    response = prediction_service_pb2_grpc.PredictionServiceStub(typed_channel).GetModelMetadata(request, timeout=30)

    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) == {"serving_default", "nonfinite"}
    assert signatures.signature_def["serving_default"].inputs["words"].dtype == tf.string.as_datatype_enum
    assert signatures.signature_def["serving_default"].inputs["counts"].tensor_shape.dim[0].size == -1


@pytest.mark.parametrize(
    ("fields", "text"), [([], "at least one metadata_field"), (["nope"], "Metadata field nope is not supported")]
)
def test_metadata_fields_are_checked(channel: grpc.Channel, fields: list[str], text: str) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "half_plus_two"

    with pytest.raises(grpc.RpcError) as raised:
        prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata(request, timeout=30)

    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert text in raised.value.details()


def test_status(channel: grpc.Channel) -> None:
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "half_plus_two"

    (status,) = stub.GetModelStatus(request, timeout=30).model_version_status

    assert (status.version, status.state) == (12, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    request.model_spec.name = "nope"
    with pytest.raises(grpc.RpcError) as raised:
        stub.GetModelStatus(request, timeout=30)
    assert raised.value.details() == "Could not find any versions of model nope"
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("service", ["", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"])
def test_health(channel: grpc.Channel, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(channel)

    response = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)

    assert response.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as raised:
        stub.Check(health_pb2.HealthCheckRequest(service="nope"), timeout=30)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_stream_answers_in_order_and_survives_a_bad_request(channel: grpc.Channel) -> None:
    def requests() -> Iterator[prediction_service_pb2.PredictStreamRequest]:
        for number in range(40):
            request = prediction_service_pb2.PredictStreamRequest(id=number)
            request.request.model_spec.name = "nope" if number == 7 else "half_plus_two"
            request.request.inputs["x"].CopyFrom(encode_tensor(np.float32([number])))
            yield request

    answers = list(own_pb2_grpc.PredictionServiceStub(channel).PredictStream(requests(), timeout=60))

    assert [answer.id for answer in answers] == list(range(40))
    assert answers[7].status.error_code == status_pb2.NOT_FOUND
    assert "Latest(nope)" in answers[7].status.error_message
    values = [decode_tensor(answer.response.outputs["y"]).item() for answer in answers if answer.id != 7]
    assert values == [number / 2 + 2 for number in range(40) if number != 7]


def test_a_stream_answers_a_broken_message_in_band(channel: grpc.Channel) -> None:
    method = channel.stream_stream("/serverless_dnn.protos.v1.PredictionService/PredictStream")

    (answer,) = method(iter([b"\xff\xff"]), timeout=30)

    assert (
        prediction_service_pb2.PredictStreamResponse.FromString(answer).status.error_code == status_pb2.INVALID_ARGUMENT
    )


def test_an_unknown_method_is_unimplemented(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/tensorflow.serving.PredictionService/Nope")(b"", timeout=30)

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
