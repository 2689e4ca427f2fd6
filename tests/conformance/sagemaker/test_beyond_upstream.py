"""What the container offers beyond the published one: binary and compressed bodies, labels, CSV by header, clear errors."""

import gzip
import io
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format

from serverless_dnn.client.model import ModelAddress
from serverless_dnn.client.wire.messages import decode_response, encode_request
from serverless_dnn.protos.v1 import predict_pb2

Send = Callable[..., Any]
ATTRIBUTES = "X_Amzn_SageMaker_Custom_Attributes"
JSON, NPY, PROTOBUF, CSV = "application/json", "application/x-npy", "application/x-protobuf", "text/csv"


@pytest.fixture(scope="module")
def address(models: Path, start_server: Callable[..., Any]) -> str:
    """A container with several models, of which none is the default, and labels for one."""
    config = models.parent / "labels.cfg"
    names = "half_plus_two", "types", "pair", "examples"
    entries = [f'config {{ name: "{name}" base_path: "{models / name}" }}' for name in names]
    entries[0] = (
        f'config {{ name: "half_plus_two" base_path: "{models / "half_plus_two"}" model_version_policy {{ all {{}} }}'
        ' version_labels { key: "stable" value: 1 } }'
    )
    config.write_text(f"model_config_list {{ {' '.join(entries)} }}", encoding="utf-8")
    return str(start_server("sdnn-sagemaker", "serve", SDNN_MODEL_CONFIG_FILE=str(config))[0])


def _named(name: str, *more: str) -> dict[str, str]:
    return {ATTRIBUTES: ",".join((f"tfs-model-name={name}", *more))}


def test_without_a_name_the_error_lists_the_models_and_the_attribute(send: Send, address: str) -> None:
    answer = send(address, "POST", "/invocations", b"1.0", Content_Type=JSON)

    assert answer.status == 400
    assert "(examples, half_plus_two, pair, types)" in answer.json["error"]
    assert "tfs-model-name=NAME" in answer.json["error"]


def test_npy_and_protobuf(send: Send, address: str) -> None:
    x = np.array([1.0, 2.0, 5.0], np.float32)
    body = io.BytesIO()
    np.save(body, x)
    chosen = _named("half_plus_two")

    npy = send(address, "POST", "/invocations", body.getvalue(), Content_Type=NPY, **chosen)
    message = encode_request(ModelAddress("half_plus_two"), {"x": x})
    protobuf = send(address, "POST", "/invocations", message, Content_Type=PROTOBUF, **chosen)
    mixed = send(address, "POST", "/invocations", body.getvalue(), Content_Type=NPY, Accept=JSON, **chosen)

    assert npy.headers["Content-Type"] == NPY
    assert np.load(io.BytesIO(npy.body)).tolist() == [2.5, 3.0, 4.5]
    assert protobuf.headers["Content-Type"] == PROTOBUF
    assert decode_response(protobuf.body)[0]["y"].tolist() == [2.5, 3.0, 4.5]
    assert mixed.json == {"outputs": [2.5, 3.0, 4.5]}


def test_a_predict_request_as_json(send: Send, address: str) -> None:
    message = predict_pb2.PredictRequest.FromString(
        encode_request(ModelAddress("pair"), {name: np.array([[1, 2], [3, 4]], np.int32) for name in ("ids", "mask")})
    )
    text = json_format.MessageToJson(message)

    answer = send(address, "POST", "/invocations", text, Content_Type=JSON, **_named("pair"))
    broken = send(
        address, "POST", "/invocations", text.replace("DT_INT32", "DT_NO"), Content_Type=JSON, **_named("pair")
    )

    assert answer.headers["Content-Type"] == JSON
    response = json_format.Parse(answer.body, predict_pb2.PredictResponse())
    assert decode_response(response.SerializeToString())[0]["total"].tolist() == [5, 25]
    assert broken.status == 400
    assert "not a PredictRequest in JSON" in broken.json["error"]


def test_gzip_both_ways(send: Send, address: str) -> None:
    numbers = [float(number) for number in range(2000)]
    body = gzip.compress(json.dumps({"instances": numbers}).encode())
    expected = {"predictions": [number / 2 + 2 for number in numbers]}

    # SageMaker drops the standard headers, so custom attributes say the same.
    for sent in (
        {**_named("half_plus_two"), "Content_Encoding": "gzip", "Accept_Encoding": "gzip"},
        _named("half_plus_two", "sdnn-content-encoding=gzip", "sdnn-accept-encoding=gzip"),
    ):
        answer = send(address, "POST", "/invocations", body, Content_Type=JSON, **sent)
        assert answer.headers["Content-Encoding"] == "gzip"
        # urllib3 inflates by that header.
        assert json.loads(answer.body) == expected
        assert int(answer.headers["Content-Length"]) < len(json.dumps(expected)) / 2
    plain = send(address, "POST", "/invocations", body, Content_Type=JSON, **_named("half_plus_two"))
    assert plain.status == 400


def test_labels_and_versions(send: Send, address: str) -> None:
    def ask(*more: str) -> Any:
        return send(address, "POST", "/invocations", b"1.0", Content_Type=JSON, **_named("half_plus_two", *more))

    assert ask("tfs-model-label=stable").status == ask("tfs-model-version=12").status == 200
    assert ask("tfs-model-label=canary").json["error"] == "Unrecognized servable version label: canary"
    assert ask("tfs-model-version=7").status == 404


def test_csv_of_strings_and_several_inputs(send: Send, address: str) -> None:
    body = 'words,counts,flags\n"a, b",1,true\nc,2,false\n'

    answer = send(address, "POST", "/invocations", body, Content_Type=CSV, **_named("types"))

    rows = answer.json["predictions"]
    assert [row["joined"] for row in rows] == ["a, b-1", "c-2"]
    assert [row["flags"] for row in rows] == [False, True]
    wrong = send(address, "POST", "/invocations", "a,1,true\n", Content_Type=CSV, **_named("types"))
    assert wrong.status == 400
    assert "the first CSV line must name the model's inputs: counts, flags, words" in wrong.json["error"]


def test_csv_examples_are_classified(send: Send, address: str) -> None:
    chosen = _named("examples", "tfs-method=regress")

    answer = send(address, "POST", "/invocations", "x,name\n1.0,iris\n2.0,rose\n", Content_Type=CSV, **chosen)

    assert answer.json == {"results": [2.5, 3.0]}


def test_timing_comes_back_in_the_custom_attributes(send: Send, address: str) -> None:
    answer = send(address, "POST", "/invocations", b"1.0", Content_Type=JSON, **_named("half_plus_two"))

    timing = answer.headers["X-Amzn-SageMaker-Custom-Attributes"]
    assert {"decode", "compute", "encode", "total"} <= {part.split(";")[0].strip() for part in timing.split(",")}
    assert 'server;desc="in-process"' in timing
    assert len(timing) <= 1024
    assert timing.isascii()
    assert timing.isprintable()


@pytest.mark.parametrize(
    "attributes", ["tfs-method=" + "x" * 5000, "tfs-model-version=" + "9" * 5000, "=,,;\x7f\xff" * 2000, "tfs-" * 3000]
)
def test_any_custom_attributes_are_400_at_worst(attributes: str, send: Send, address: str) -> None:
    answer = send(address, "POST", "/invocations", b"1.0", Content_Type=JSON, **{ATTRIBUTES: attributes})

    assert answer.status == 400
    assert answer.body


def test_the_same_in_other_cases_and_with_parameters(send: Send, address: str) -> None:
    chosen = _named("half_plus_two")

    for content_type in ("Application/JSON", "application/json; charset=utf-8", " application/jsonlines"):
        answer = send(address, "POST", "/invocations", b"1.0", Content_Type=content_type, **chosen)
        assert answer.json == {"predictions": [2.5]}


def test_requests_beyond_the_concurrency_are_refused(
    made_models: Path, tmp_path: Path, send: Send, start_server: Callable[..., Any]
) -> None:
    variables = {"SDNN_MODEL_BASE_PATH": str(made_models / "gate"), "SDNN_CONCURRENCY": "2"}
    address, _ = start_server("sdnn-sagemaker", "serve", **variables)
    go_on = tmp_path / "go_on"
    body = json.dumps({"inputs": {"path": str(go_on)}})

    def ask(_number: int) -> int:
        status: int = send(address, "POST", "/invocations", body, Content_Type=JSON).status
        if status == 429:
            go_on.touch()
        return status

    with ThreadPoolExecutor(3) as threads:
        statuses = sorted(threads.map(ask, range(3)))

    assert statuses == [200, 200, 429]


def test_a_model_without_room_is_507(
    models: Path, tmp_path: Path, send: Send, start_server: Callable[..., Any]
) -> None:
    for name in ("small", "large"):
        shutil.copytree(models / "half_plus_two" / "1", tmp_path / name / "1")
    with (tmp_path / "large" / "1" / "assets" / "sparse").open("wb") as file:
        # Holds nothing but its size.
        file.truncate(1 << 42)
    address, _ = start_server(
        "sdnn-sagemaker", "serve", SDNN_MODEL_BASE_PATH=str(tmp_path), SAGEMAKER_MULTI_MODEL="true"
    )

    def load(name: str) -> Any:
        return send(address, "POST", "/models", json.dumps({"model_name": name, "url": str(tmp_path / name)}))

    assert load("small").status == 200
    refused = load("large")

    assert refused.status == 507
    assert refused.json["error"].startswith("Memory exhausted: ")
    assert send(address, "POST", "/models/small/invoke", b"1.0", Content_Type=JSON).json == {"predictions": [2.5]}
    assert send(address, "GET", "/models").json == {
        "models": [{"modelName": "small", "modelUrl": str(tmp_path / "small")}]
    }


def test_models_lie_below_the_folder(
    tmp_path: Path, models: Path, send: Send, start_server: Callable[..., Any]
) -> None:
    (tmp_path / "link").symlink_to(models)
    address, _ = start_server(
        "sdnn-sagemaker", "serve", SDNN_MODEL_BASE_PATH=str(tmp_path), SAGEMAKER_MULTI_MODEL="true"
    )

    for url in ("/etc", f"{tmp_path}/../{models.name}/pair", str(tmp_path / "link" / "pair"), "relative"):
        answer = send(address, "POST", "/models", json.dumps({"model_name": "x", "url": url}))
        assert answer.status == 403
    for body in (b"", b"[]", b"{}", b'{"model_name": "a/b", "url": "/"}', b'{"model_name": 1}', b"\xff"):
        assert send(address, "POST", "/models", body).status == 400


def test_it_tells_about_its_model(models: Path, start_server: Callable[..., Any], send: Callable[..., Any]) -> None:
    address, _ = start_server("sdnn-sagemaker", "serve", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"))

    def ask(attributes: str) -> Any:
        return send(address, "POST", "/invocations", "{}", x_amzn_sagemaker_custom_attributes=attributes)

    metadata, status = ask("sdnn-method=metadata"), ask("tfs-model-version=12,sdnn-method=status")
    assert list(metadata.json["metadata"]["signature_def"]["signature_def"]) == ["serving_default"]
    assert status.json["model_version_status"][0]["state"] == "AVAILABLE"
    assert ask("tfs-model-name=nope,sdnn-method=metadata").status == 404
    refused = ask("sdnn-method=predict")
    assert (refused.status, refused.json["error"]) == (
        400,
        "sdnn-method must be one of metadata, status, got 'predict'",
    )
    # For who runs it on her own machine: SageMaker's own path, and TensorFlow Serving's.
    body = '{"instances": [1.0]}'
    for path in ("/endpoints/any/invocations", "/v1/models/half_plus_two:predict"):
        assert send(address, "POST", path, body, content_type="application/json").json == {"predictions": [2.5]}
