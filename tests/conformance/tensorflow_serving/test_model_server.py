"""`sdnn-model-server` answers as `tensorflow_model_server` does, over gRPC, a unix socket and REST."""

import gzip
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

HTTP = urllib3.PoolManager(retries=False)
CONFIG = """
model_config_list {{
  config {{ name: "half_plus_two" base_path: "{root}/half_plus_two" model_platform: "tensorflow"
    model_version_policy {{ all {{}} }}
    version_labels {{ key: "stable" value: 1 }} version_labels {{ key: "canary" value: 12 }} }}
  config {{ name: "types" base_path: "{root}/types" model_platform: "tensorflow" }}
  config {{ name: "pair" base_path: "{root}/pair" }}
  config {{ name: "lookup" base_path: "{root}/lookup" }}
  config {{ name: "examples" base_path: "{root}/examples" }}
  config {{ name: "scaled" base_path: "{root}/scaled" }}
}}
"""


@dataclass(frozen=True)
class Served:
    """Where a model server listens."""

    grpc: str
    socket: str
    rest: str


@pytest.fixture(scope="module")
def served(models: Path, start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("config")
    (folder / "models.config").write_text(CONFIG.format(root=models))
    (folder / "monitoring.config").write_text("prometheus_config { enable: true }")
    target, process = start_server(
        "sdnn-model-server",
        "--port=0",
        "--rest_api_port=-1",
        "--host=127.0.0.1",
        f"--grpc_socket_path={folder}/grpc.sock",
        f"--model_config_file={folder}/models.config",
        f"--monitoring_config_file={folder}/monitoring.config",
        "--rest_api_enable_cors_support",
        "--file_system_poll_wait_seconds=0",
    )
    rest_port = json.loads(process.ready_file.read_text())["rest_api_port"]
    return Served(target, f"unix:{folder}/grpc.sock", f"http://127.0.0.1:{rest_port}")


@pytest.fixture(scope="module")
def stub(served: Served) -> Iterator[prediction_service_pb2_grpc.PredictionServiceStub]:
    with grpc.insecure_channel(served.grpc) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


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


def test_an_input_left_out_has_its_default(stub: Any, served: Served) -> None:
    outputs = [
        tf.make_ndarray(stub.Predict(_predict("scaled", **inputs), timeout=30).outputs["y"]).tolist()
        for inputs in ({"x": _X}, {"x": _X, "scale": np.float32(5)})
    ]

    assert outputs == [[3], [5]]
    # As the original: what the defaults are is not told.
    described = _rest(served, "GET", "/v1/models/scaled/metadata")[1]["metadata"]["signature_def"]["signature_def"]
    assert described["serving_default"]["defaults"] == {}


def test_versions_and_labels(stub: Any, served: Served) -> None:
    answers = {
        label: stub.Predict(_changed(_predict("half_plus_two", x=_X), version_label=label), timeout=30)
        for label in ("stable", "canary")
    }
    assert {label: answer.model_spec.version.value for label, answer in answers.items()} == {"stable": 1, "canary": 12}
    assert not answers["stable"].model_spec.version_label
    assert _rest(served, "GET", "/v1/models/half_plus_two/labels/stable/metadata")[1]["model_spec"]["version"] == "1"
    statuses = _rest(served, "GET", "/v1/models/half_plus_two")[1]["model_version_status"]
    assert [(status["version"], status["state"]) for status in statuses] == [("12", "AVAILABLE"), ("1", "AVAILABLE")]


def test_status_of_a_version_and_of_a_label(served: Served) -> None:
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


def test_the_unix_socket_answers(served: Served) -> None:
    with grpc.insecure_channel(served.socket) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        assert tf.make_ndarray(stub.Predict(_predict("half_plus_two", x=_X), timeout=30).outputs["y"]) == [2.5]


def _rest(served: Served, verb: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    reply = HTTP.request(verb, served.rest + path, body=content, headers=headers)
    assert reply.headers["content-type"] == "application/json"
    return reply.status, json.loads(reply.data)


PREDICT, EXAMPLES = "/v1/models/half_plus_two:predict", "/v1/models/examples"
ROWS = [{"x": 0.25, "name": "a"}, {"x": 0.5}]
REST_ANSWERS = [
    (PREDICT, {"instances": [1.0, 2, 5]}, {"predictions": [2.5, 3.0, 4.5]}),
    (PREDICT, {"instances": [{"x": 1.0}]}, {"predictions": [2.5]}),
    (PREDICT, {"inputs": [1.0]}, {"outputs": [2.5]}),
    (PREDICT, {"inputs": {"x": [1.0], "ignored": 1}}, {"outputs": [2.5]}),
    ("/v1/models/half_plus_two/versions/1:predict", {"instances": [0]}, {"predictions": [2.0]}),
    ("/v1/models/half_plus_two/labels/stable:predict", {"instances": [0]}, {"predictions": [2.0]}),
    ("/V1/Models/half_plus_two:PREDICT", {"instances": [0]}, {"predictions": [2.0]}),
    ("/v1/models/half%5Fplus_two:predict", {"instances": [0]}, {"predictions": [2.0]}),
    (
        "/v1/models/types:predict",
        {"instances": [{"words": {"b64": "/w=="}, "counts": 2, "flags": True}]},
        {"error": "output joined holds bytes that are not UTF-8: give it a name that ends in _bytes to get base64"},
    ),
    (
        "/v1/models/types:predict",
        {"inputs": {"words": ["a"], "counts": [2], "flags": [True]}},
        {"outputs": {"joined": ["a-2"], "raw_bytes": [{"b64": "YQ=="}], "counts": [4], "flags": [False]}},
    ),
    (
        "/v1/models/pair:predict",
        {"instances": [{"ids": [1, 2], "mask": [1, 1]}]},
        {"predictions": [{"total": 3, "count": 2}]},
    ),
    (
        f"{EXAMPLES}:classify",
        {"signature_name": "classify", "examples": ROWS},
        {"results": [[["a", 0.25], ["other", 0.75]], [["?", 0.5], ["other", 0.5]]]},
    ),
    (f"{EXAMPLES}:regress", {"examples": [{"x": 0.2}, {"x": [1.0]}]}, {"results": [2.1, 2.5]}),
    (f"{EXAMPLES}:regress", {"context": {"x": 6.0}, "examples": [{}]}, {"results": [5.0]}),
]


@pytest.mark.parametrize(("path", "body", "answer"), REST_ANSWERS)
def test_rest_answers(path: str, body: object, answer: object, served: Served) -> None:
    status, document = _rest(served, "POST", path, body)

    assert document == answer
    assert status == (400 if "error" in document else 200)


def test_nan_goes_in_and_comes_out(served: Served) -> None:
    reply = HTTP.request("POST", served.rest + PREDICT, body=b'{"instances": [NaN, Infinity, 1.0]} ignored')

    assert reply.data == b'{"predictions":[NaN,Infinity,2.5]}'


def test_a_gzipped_body_is_inflated(served: Served) -> None:
    body = gzip.compress(b'{"instances": [1.0]}')
    assert _rest(served, "POST", PREDICT, body, **{"Content-Encoding": "gzip"}) == (200, {"predictions": [2.5]})


REST_ERRORS = [
    ("POST", PREDICT, b"", 400, "The document is empty"),
    ("POST", PREDICT, b"{", 400, "JSON Parse error"),
    ("POST", PREDICT, b"[1]", 400, "Is not object"),
    ("POST", PREDICT, {}, 400, "Missing 'inputs' or 'instances' key"),
    ("POST", PREDICT, {"instances": [1], "inputs": [1]}, 400, "Not formatted correctly expecting only one of"),
    ("POST", PREDICT, {"instances": 1}, 400, "Expecting 'instances' to be an list/array"),
    ("POST", PREDICT, {"instances": []}, 400, "No values in 'instances' array"),
    ("POST", PREDICT, {"instances": ["a"]}, 400, "is not of expected type: float"),
    ("POST", PREDICT, {"instances": [[1], [1, 2]]}, 400, "size"),
    ("POST", PREDICT, {"instances": [1], "signature_name": "nope"}, 400, 'Serving signature name: "nope" not found in'),
    ("POST", PREDICT, {"instances": [1], "signature_name": 7}, 400, "must be a string value"),
    ("POST", "/v1/models/pair:predict", {"instances": [[1]]}, 400, "instances is a plain list, but expecting list of"),
    (
        "POST",
        "/v1/models/pair:predict",
        {"inputs": {"ids": [[1]]}},
        400,
        "Missing named input: mask in 'inputs' object.",
    ),
    ("POST", "/v1/models/nope:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(nope)"),
    ("POST", "/v1/models/pair/versions/9:predict", {"instances": [1]}, 404, "Specific(pair, 9)"),
    ("POST", "/v1/models/pair/labels/no:predict", {"instances": [1]}, 400, "Unrecognized servable version label: no"),
    ("POST", f"{PREDICT}?x=y", {"instances": [1]}, 400, "Malformed request: POST /v1/models/half_plus_two:predict?x=y"),
    ("GET", PREDICT, None, 400, "Malformed request: GET"),
    ("POST", "/v1/models/pair:nope", {}, 400, "Malformed request: POST"),
    ("GET", "/v1/models", None, 400, "Missing model name in request."),
    ("GET", "/v1/models/nope", None, 404, "Could not find any versions of model nope"),
    ("GET", "/v1/models/pair/versions/9", None, 404, "Could not find version 9 of model pair"),
    ("GET", "/nope", None, 404, "there is nothing at /nope"),
    ("POST", f"{EXAMPLES}:regress", {"examples": []}, 400, "'examples'"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"x": None}]}, 400, "got null"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"x": [1, 2.5]}]}, 400, "values of several kinds"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"x": 2**63}]}, 400, "beyond int64"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"name": {"b64": "!"}}]}, 400, "b64 is not base64"),
    ("POST", f"{EXAMPLES}:regress", {"examples": [{"x": 1}]}, 400, "Data types don't match"),
]


@pytest.mark.parametrize(("verb", "path", "body", "status", "text"), REST_ERRORS)
def test_rest_errors(verb: str, path: str, body: object, status: int, text: str, served: Served) -> None:
    got, document = _rest(served, verb, path, body)

    assert (got, list(document)) == (status, ["error"])
    assert text in document["error"]


def test_a_bomb_stops_at_the_bound(served: Served) -> None:
    bomb = gzip.compress(b" " * (200 << 20))
    status, document = _rest(served, "POST", PREDICT, bomb, **{"Content-Encoding": "gzip"})

    assert status == 413
    assert "larger than the 67108864 bytes" in document["error"]


def test_pages_of_other_origins(served: Served) -> None:
    allowed = HTTP.request("OPTIONS", served.rest + PREDICT, headers={"Origin": "https://example.org"})
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert allowed.headers["Access-Control-Allow-Methods"] == "POST, GET"
    assert HTTP.request("OPTIONS", served.rest + PREDICT, headers={"Origin": "file://"}).status == 400


def test_metrics(served: Served, stub: Any) -> None:
    stub.Predict(_predict("pair", ids=np.int32([[1]]), mask=np.int32([[1]])), timeout=30)
    with pytest.raises(grpc.RpcError):
        stub.Predict(_predict("nope", x=_X), timeout=30)
    _rest(served, "POST", PREDICT, {"instances": [1]})

    text = HTTP.request("GET", served.rest + "/monitoring/prometheus/metrics").data.decode()

    assert 'sdnn_requests_total{method="Predict",model="pair",status="OK"}' in text
    assert 'sdnn_requests_total{method="Predict",model="",status="NOT_FOUND"}' in text
    assert 'sdnn_requests_total{method="REST",model="half_plus_two",status="OK"}' in text
    assert 'sdnn_phase_seconds_count{model="pair",phase="compute"}' in text
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
        (["--ssl_config_file=x"], "tensorflow_model_server's --ssl_config_file is not offered: put a proxy"),
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
