"""The cases of upstream's test_multi_model_endpoint.py (M1 to M10), with both shapes of the list of models."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

INSTANCES = '{"instances": [1.0, 2.0, 5.0]}'
R1 = {"predictions": [3.5, 4.0, 5.5]}
OF_TWO = {"predictions": [2.5, 3.0, 4.5]}
LOADED_BY_TESTS = ("half_plus_two", "half_plus_three", "cifar")


@dataclass(frozen=True)
class Endpoint:
    """A running multi-model endpoint: what it lists models as, where they lie, and how to ask it."""

    model_list: str
    folder: Path
    ask: Callable[..., Any]

    def load(self, name: str) -> Any:
        return self.ask("POST", "/models", json.dumps({"model_name": name, "url": str(self.folder / name)}))

    def unload(self, name: str) -> Any:
        return self.ask("DELETE", f"/models/{name}")

    def invoke(self, name: str, version: int | None = None) -> Any:
        asked = "tfs-method=predict" if version is None else f"tfs-method=predict,tfs-model-version={version}"
        headers = {"x_amzn_sagemaker_custom_attributes": asked}
        return self.ask("POST", f"/models/{name}/invoke", INSTANCES, **headers)


@pytest.fixture(scope="module", params=["sagemaker_list", "upstream_list", "upstream_list_child"])
def running(
    request: pytest.FixtureRequest,
    model_folder: Path,
    binary: str,
    safe_port_range: Callable[[], str],
    start_server: Callable[..., Any],
    send: Callable[..., Any],
) -> Iterator[Endpoint]:
    variables = {
        "sagemaker_list": {},
        "upstream_list": {"SDNN_MODEL_LIST": "upstream"},
        "upstream_list_child": {"SDNN_MODEL_LIST": "upstream", "SAGEMAKER_TFS_BINARY": binary},
    }[request.param]
    address, server = start_server(
        "sdnn-sagemaker",
        "serve",
        SDNN_MODEL_BASE_PATH=str(model_folder),
        SAGEMAKER_MULTI_MODEL="true",
        SAGEMAKER_SAFE_PORT_RANGE=safe_port_range(),
        SAGEMAKER_TFS_NGINX_LOGLEVEL="info",
        **variables,
    )

    def ask(verb: str, path: str, body: str = "", **headers: str) -> Any:
        return send(address, verb, path, body, content_type="application/json", **headers)

    yield Endpoint(variables.get("SDNN_MODEL_LIST", "sagemaker"), model_folder, ask)
    server.stop()


@pytest.fixture
def endpoint(running: Endpoint) -> Iterator[Endpoint]:
    """The endpoint with nothing loaded, whichever tests ran before."""
    yield running
    for name in LOADED_BY_TESTS:
        assert running.unload(name).status in (200, 404)


def test_m1_ping(endpoint: Endpoint) -> None:
    assert endpoint.ask("GET", "/ping").status == 200


def test_m2_container_start_invocation_fail(endpoint: Endpoint) -> None:
    answer = endpoint.invoke("half_plus_three")

    assert answer.status == 404
    assert "Model half_plus_three is not loaded yet." in answer.json["error"]


def test_m3_list_models_empty(endpoint: Endpoint) -> None:
    answer = endpoint.ask("GET", "/models")

    assert answer.status == 200
    if endpoint.model_list == "upstream":
        assert answer.json == {}
    else:
        assert answer.json["models"] == []
        assert not answer.json.get("nextPageToken")


def test_m4_delete_unloaded_model(endpoint: Endpoint) -> None:
    answer = endpoint.unload("non-existing-model")

    assert answer.status == 404
    assert "Model non-existing-model is not loaded yet" in answer.json["error"]


def test_m5_delete_model(endpoint: Endpoint) -> None:
    loaded = endpoint.load("half_plus_two")
    before = endpoint.invoke("half_plus_two")
    unloaded = endpoint.unload("half_plus_two")
    after = endpoint.invoke("half_plus_two")

    assert loaded.status == 200
    assert "Successfully loaded model half_plus_two" in loaded.text
    assert before.json == OF_TWO
    assert unloaded.status == 200
    assert after.status == 404
    assert "Model half_plus_two is not loaded yet." in after.json["error"]


def test_m6_load_two_models(endpoint: Endpoint) -> None:
    for name in ("half_plus_two", "half_plus_three"):
        loaded = endpoint.load(name)
        assert loaded.status == 200
        assert f"Successfully loaded model {name}" in loaded.text

    two, *three = (
        endpoint.invoke("half_plus_two"),
        endpoint.invoke("half_plus_three", 123),
        endpoint.invoke("half_plus_three", 124),
    )
    listed = endpoint.ask("GET", "/models")

    assert two.json == OF_TWO
    assert [answer.json for answer in three] == [R1, R1]
    assert listed.status == 200
    if endpoint.model_list == "upstream":
        assert set(listed.json) == {"half_plus_two", "half_plus_three"}
        assert all("AVAILABLE" in json.dumps(status) for status in listed.json.values())
    else:
        models = {model["modelName"]: model["modelUrl"] for model in listed.json["models"]}
        assert models == {name: str(endpoint.folder / name) for name in ("half_plus_two", "half_plus_three")}


def test_m7_load_one_model_two_times(endpoint: Endpoint) -> None:
    first, second = endpoint.load("cifar"), endpoint.load("cifar")

    assert first.status == 200
    assert "Successfully loaded model cifar" in first.text
    assert second.status == 409
    assert "Model cifar is already loaded" in second.json["error"]


@pytest.mark.parametrize("name", ["non-existing", "invalid_version"], ids=["M8_non_existing", "M10_invalid_version"])
def test_load_a_folder_without_versions(name: str, endpoint: Endpoint) -> None:
    answer = endpoint.load(name)

    assert answer.status == 404
    expected = f"Could not find valid base path {endpoint.folder / name} for servable {name}"
    assert expected in answer.json["error"]
    # A failed load leaves nothing behind.
    assert f"Model {name} is not loaded yet" in endpoint.invoke(name).json["error"]


def test_m9_bad_model_request(endpoint: Endpoint) -> None:
    body = json.dumps({"model_name": "model_name", "uri": str(endpoint.folder / "half_plus_two")})

    answer = endpoint.ask("POST", "/models", body)

    assert answer.status == 500
    assert "url" in answer.json["error"]
