"""`sdnn-model-server` answers as `tensorflow_model_server` does, over gRPC and a unix socket."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
import urllib3
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)


def _example(**features: object) -> tf.train.Example:
    example = tf.train.Example()
    for name, value in features.items():
        feature = example.features.feature[name]
        if isinstance(value, float):
            feature.float_list.value.append(value)
        else:
            feature.bytes_list.value.append(value)
    return example


def _rows(*examples: tf.train.Example) -> input_pb2.Input:
    return input_pb2.Input(example_list=input_pb2.ExampleList(examples=examples))


def _predict(model: str, **inputs: object) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def test_classify(stub: Any) -> None:
    request = classification_pb2.ClassificationRequest(input=_rows(_example(x=0.25, name=b"a"), _example(x=0.5)))
    request.model_spec.name = "examples"
    request.model_spec.signature_name = "classify"

    response = stub.Classify(request, timeout=30)

    rows = [[(item.label, item.score) for item in row.classes] for row in response.result.classifications]
    assert rows == [[("a", 0.25), ("other", 0.75)], [("?", 0.5), ("other", 0.5)]]
    assert (response.model_spec.version.value, response.model_spec.signature_name) == (1, "classify")
    request.model_spec.signature_name = "scores"
    only_scores = stub.Classify(request, timeout=30).result.classifications
    assert [(row.classes[0].label, row.classes[0].score) for row in only_scores] == [("", 0.25), ("", 0.5)]


def test_regress_adds_the_context_to_every_row(stub: Any) -> None:
    shared = input_pb2.ExampleListWithContext(examples=[_example(x=1.0), _example()], context=_example(x=6.0))
    request = regression_pb2.RegressionRequest(input=input_pb2.Input(example_list_with_context=shared))
    request.model_spec.name = "examples"

    response = stub.Regress(request, timeout=30)

    assert [row.value for row in response.result.regressions] == [2.5, 5.0]


def test_multi_inference(stub: Any) -> None:
    request = inference_pb2.MultiInferenceRequest(input=_rows(_example(x=0.5, name=b"a")))
    for signature, method in (("serving_default", "regress"), ("classify", "classify")):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name = "examples"
        task.model_spec.signature_name = signature

    regressed, classified = stub.MultiInference(request, timeout=30).results

    assert regressed.regression_result.regressions[0].value == 2.25
    assert classified.classification_result.classifications[0].classes[0].label == "a"
    assert classified.model_spec.signature_name == "classify"


def _classification(
    model: str, signature: str, *examples: tf.train.Example
) -> classification_pb2.ClassificationRequest:
    request = classification_pb2.ClassificationRequest(input=_rows(*examples))
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    return request


def _tasks(*tasks: tuple[str, str, str]) -> inference_pb2.MultiInferenceRequest:
    request = inference_pb2.MultiInferenceRequest(input=_rows(_example(x=0.5)))
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name = model
        task.model_spec.signature_name = signature
    return request


def _changed(request: predict_pb2.PredictRequest, **spec: Any) -> predict_pb2.PredictRequest:
    if version := spec.pop("version", None):
        request.model_spec.version.value = version
    request.output_filter.extend(spec.pop("output_filter", ()))
    for name, value in spec.items():
        setattr(request.model_spec, name, value)
    return request


def _cut(request: predict_pb2.PredictRequest) -> predict_pb2.PredictRequest:
    request.inputs["x"].tensor_content = b"\0" * 3
    return request


_X = np.float32([1])
_CLASSIFY, _REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
GRPC_ERRORS = [
    ("Predict", predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    ("Predict", _predict("", x=_X), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    ("Predict", _predict("nope", x=_X), "NOT_FOUND", "Servable not found for request: Latest(nope)"),
    (
        "Predict",
        _changed(_predict("pair"), version=9),
        "NOT_FOUND",
        "Servable not found for request: Specific(pair, 9)",
    ),
    (
        "Predict",
        _changed(_predict("half_plus_two", x=_X), version_label="nope"),
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: nope",
    ),
    (
        "Predict",
        _changed(_predict("half_plus_two", x=_X), signature_name="nope"),
        "FAILED_PRECONDITION",
        'Serving signature key "nope" not found.',
    ),
    (
        "Predict",
        _predict("pair", ids=np.int32([[1]])),
        "INVALID_ARGUMENT",
        "1!=2 len({ids}) != len({ids,mask}). Sent extra: {}. Missing but required: {mask}.",
    ),
    ("Predict", _predict("half_plus_two", z=_X), "INVALID_ARGUMENT", "Signature input alias: x(feed name: "),
    ("Predict", _predict("half_plus_two", x=np.float64([1])), "INVALID_ARGUMENT", "DT_FLOAT, but float64 is provided"),
    (
        "Predict",
        _predict("half_plus_two", x=np.float32([[1]])),
        "INVALID_ARGUMENT",
        "the shape [-1] (-1 is free), but [1, 1]",
    ),
    ("Predict", _cut(_predict("half_plus_two", x=_X)), "INVALID_ARGUMENT", "tensor parsing error: x"),
    (
        "Predict",
        _predict("scaled", scale=np.float32(1)),
        "INVALID_ARGUMENT",
        "1!=2 len({scale}) != len({scale,x}). Sent extra: {}. Missing but required: {x}.",
    ),
    ("Predict", _predict("scaled", x=_X, z=_X), "INVALID_ARGUMENT", "Inputs contains invalid name. Sent: {x,z}."),
    ("Predict", _predict("scaled", z=_X, scale=_X), "INVALID_ARGUMENT", "Signature input alias: x(feed name: "),
    (
        "Predict",
        _predict("scaled", x=_X, scale=np.float32(1), z=_X),
        "INVALID_ARGUMENT",
        "3!=2 len({scale,x,z}) != len({scale,x}). Sent extra: {z}. Missing but required: {}.",
    ),
    ("Predict", _predict("lookup", ids=np.int32([[99]])), "INVALID_ARGUMENT", "indices[0,0] = 99 is not in [0, 6)"),
    (
        "Predict",
        _changed(_predict("half_plus_two", x=_X), output_filter=["nope"]),
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: nope Outputs expected to be in the set {y}.",
    ),
    (
        "Predict",
        _changed(_predict("half_plus_two", x=_X), output_filter=["y", "y"]),
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: y",
    ),
    ("Classify", classification_pb2.ClassificationRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    ("Classify", _classification("examples", "classify"), "INVALID_ARGUMENT", "Input is empty."),
    ("Classify", _classification("examples", "", _example(x=1.0)), "INVALID_ARGUMENT", 'at least one of "classes"'),
    ("Classify", _classification("pair", "", _example()), "INVALID_ARGUMENT", "Expected one input Tensor."),
    ("Classify", _classification("half_plus_two", "", _example()), "INVALID_ARGUMENT", "No classification inputs"),
    ("Classify", _classification("examples", "classify", _example()), "INVALID_ARGUMENT", "Feature: x"),
    ("MultiInference", _tasks(), "INVALID_ARGUMENT", "at least one task"),
    (
        "MultiInference",
        _tasks(("examples", "", _REGRESS), ("pair", "", _REGRESS)),
        "INVALID_ARGUMENT",
        "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
    ),
    (
        "MultiInference",
        _tasks(("examples", "", _REGRESS), ("examples", "serving_default", _REGRESS)),
        "INVALID_ARGUMENT",
        "Duplicate evaluation of signature: serving_default",
    ),
    ("MultiInference", _tasks(("examples", "", "nope")), "UNIMPLEMENTED", "Unsupported signature method_name: nope"),
]


@pytest.mark.parametrize(("method", "request_", "code", "text"), GRPC_ERRORS)
def test_grpc_errors(method: str, request_: Any, code: str, text: str, stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        getattr(stub, method)(request_, timeout=30)

    assert raised.value.code() is grpc.StatusCode[code]
    assert text in raised.value.details()
    assert stub.Predict(_predict("half_plus_two", x=_X), timeout=30).outputs["y"].dtype == 1


def test_an_input_left_out_has_its_default(stub: Any, rest: Callable[..., tuple[int, Any]]) -> None:
    outputs = [
        tf.make_ndarray(stub.Predict(_predict("scaled", **inputs), timeout=30).outputs["y"]).tolist()
        for inputs in ({"x": _X}, {"x": _X, "scale": np.float32(5)})
    ]

    assert outputs == [[3], [5]]
    # As the original: what the defaults are is not told.
    described = rest("GET", "/v1/models/scaled/metadata")[1]["metadata"]["signature_def"]["signature_def"]
    assert described["serving_default"]["defaults"] == {}


def test_versions_and_labels(stub: Any, rest: Callable[..., tuple[int, Any]]) -> None:
    answers = {
        label: stub.Predict(_changed(_predict("half_plus_two", x=_X), version_label=label), timeout=30)
        for label in ("stable", "canary")
    }
    assert {label: answer.model_spec.version.value for label, answer in answers.items()} == {"stable": 1, "canary": 12}
    assert not answers["stable"].model_spec.version_label
    assert rest("GET", "/v1/models/half_plus_two/labels/stable/metadata")[1]["model_spec"]["version"] == "1"
    statuses = rest("GET", "/v1/models/half_plus_two")[1]["model_version_status"]
    assert [(status["version"], status["state"]) for status in statuses] == [("12", "AVAILABLE"), ("1", "AVAILABLE")]


def test_status_of_a_version_and_of_a_label(served: Any) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "half_plus_two"
    with grpc.insecure_channel(served.grpc) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        request.model_spec.version.value = 1
        assert [status.version for status in stub.GetModelStatus(request, timeout=30).model_version_status] == [1]
        # As the original: a label is taken no notice of.
        request.model_spec.version_label = "nope"
        both = stub.GetModelStatus(request, timeout=30).model_version_status
        assert [status.version for status in both] == [12, 1]
        request.model_spec.version.value = 7
        with pytest.raises(grpc.RpcError) as raised:
            stub.GetModelStatus(request, timeout=30)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert raised.value.details() == "Could not find version 7 of model half_plus_two"


def test_long_messages_are_cut(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.Predict(_predict("n" * 2000, x=_X), timeout=30)

    assert len(raised.value.details()) == 1024
    assert raised.value.details().endswith("...TRUNCATED")


def test_a_deadline_that_passes_is_deadline_exceeded(zoo: Path, start_server: Callable[..., Any]) -> None:
    target, _ = start_server(
        "sdnn-model-server",
        "--port=0",
        "--host=127.0.0.1",
        "--engine=openvino",
        "--model_name=inception_v3",
        f"--model_base_path={zoo}/inception_v3",
    )
    with grpc.insecure_channel(target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = _predict("inception_v3", input=np.zeros((8, 299, 299, 3), np.float32))
        with pytest.raises(grpc.RpcError) as raised:
            stub.Predict(request, timeout=0.01)
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert stub.Predict(request, timeout=60).outputs["predictions"].tensor_shape.dim[0].size == 8


def test_the_unix_socket_answers(served: Any) -> None:
    with grpc.insecure_channel(served.socket) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        assert tf.make_ndarray(stub.Predict(_predict("half_plus_two", x=_X), timeout=30).outputs["y"]) == [2.5]


PREDICT = "/v1/models/half_plus_two:predict"


def test_metrics(served: Any, stub: Any, rest: Callable[..., tuple[int, Any]], http: urllib3.PoolManager) -> None:
    stub.Predict(_predict("pair", ids=np.int32([[1]]), mask=np.int32([[1]])), timeout=30)
    with pytest.raises(grpc.RpcError):
        stub.Predict(_predict("nope", x=_X), timeout=30)
    rest("POST", PREDICT, {"instances": [1]})

    text = http.request("GET", served.rest + "/monitoring/prometheus/metrics").data.decode()

    assert 'sdnn_requests_total{method="Predict",model="pair",status="OK"}' in text
    assert 'sdnn_requests_total{method="Predict",model="",status="NOT_FOUND"}' in text
    assert 'sdnn_requests_total{method="REST",model="half_plus_two",status="OK"}' in text
    assert 'sdnn_phase_seconds_count{model="pair",phase="compute"}' in text
    assert "sdnn_requests_in_flight 0.0" in text
    assert "process_resident_memory_bytes" in text
    # Under the original's names, which dashboards know.
    assert ':tensorflow:serving:request_count{model_name="pair",status="OK"}' in text
    assert ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"}' in text
    for labels in ('API="Predict",entrypoint="GRPC",model_name="pair"', 'API="Predict",entrypoint="REST"'):
        assert f":tensorflow:serving:request_latency_count{{{labels}" in text
    assert ':tensorflow:serving:runtime_latency_count{API="Predict",model_name="pair",runtime="sdnn"}' in text


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (
            ["--ssl_config_file=x"],
            "tensorflow_model_server's --ssl_config_file is not offered: put a TLS-terminating proxy",
        ),
        (["--mixed_precision=bfloat16"], "is not offered: use --precision bf16"),
        (["--nope"], "there is no flag --nope"),
        ([], "no model: give --model_base_path or --model_config_file"),
        (["--model_base_path=/nope"], "cannot read the model folder /nope"),
        (["--model_base_path=x", "--batching_parameters_file=y"], "supplied without --enable_batching"),
        (["--model_base_path=x", "--port=7", "--rest_api_port=7"], "must differ, both are 7"),
        (["--model_config_file=/nope"], "cannot read the model config file /nope"),
        (["--model_base_path=x", "--enable_grpc_healthcheck_service=false"], "is always on here"),
    ],
)
def test_flags_that_cannot_be_served(
    flags: list[str], text: str, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_command("sdnn-model-server", *flags)

    assert done.returncode != 0
    assert text in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
