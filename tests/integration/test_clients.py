"""Every method on every transport, with and without asyncio, against real servers."""

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serverless_dnn.client import (
    Class,
    ClientOptions,
    DeadlineError,
    GrpcClient,
    ModelAddress,
    ModelConfig,
    RequestError,
    ServerError,
    StatusCode,
    Task,
    TlsOptions,
    connect,
    connect_async,
)

TRANSPORTS = ("cloudrun", "sagemaker", "lambda", "invoke")
Ask = Callable[[str, Any], Any]


class _Waiting:
    """An async client whose methods are waited for, so that a test can be written once."""

    def __init__(self, url: str, model: Any, options: ClientOptions | None) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = connect_async(url, model, options)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *given, **named: self._loop.run_until_complete(found(*given, **named))

    def end(self) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


@pytest.fixture(params=["sync", "async"])
def client_of(request: pytest.FixtureRequest, models: Path, deploy: Callable[..., str]) -> Callable[..., Any]:
    """Make a client of a model on a transport, with or without asyncio."""

    @contextmanager
    def make(transport: str, model: str | ModelAddress, options: ClientOptions | None = None) -> Iterator[Any]:
        name = model if isinstance(model, str) else model.name
        url = deploy("lambda" if transport == "invoke" else transport, name, models)
        if transport == "invoke":
            url = f"lambda+{url}/sdnn"
        if request.param == "sync":
            with connect(url, model, options) as client:
                yield client
        else:
            waiting = _Waiting(url, model, options)
            yield waiting
            waiting.end()

    return make


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_lists_and_numbers_just_work(transport: str, client_of: Any) -> None:
    with client_of(transport, "half_plus_two") as client:
        for given in ([1, 2], (1.0, 2.0), np.float64([1, 2]), np.int64([1, 2]), np.array([1, 2], ">f4")):
            prediction = client.predict({"x": given})
            assert prediction.outputs["y"].dtype == np.float32
            assert prediction.outputs["y"].tolist() == [2.5, 3.0]
        assert prediction.model == "half_plus_two"
        assert prediction.timing.server.instance
        assert prediction.response is None
        with pytest.raises(RequestError, match=r"input x must be float32\[\?\], got the shape \[1, 1\]"):
            client.predict({"x": [[1]]})


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_kind_of_tensor_keeps_name_type_and_value(transport: str, client_of: Any) -> None:
    inputs = {"counts": [1, 2], "flags": [True, False], "words": ["a", b"\xff"]}
    with client_of(transport, "types") as client:
        outputs = client.predict(inputs).outputs
        only = client.predict(inputs, outputs=[next(iter(outputs))]).outputs
        specs = client.signatures()["serving_default"].outputs

    assert set(outputs) == set(specs)
    assert {name: array.dtype for name, array in outputs.items()} == {name: spec.dtype for name, spec in specs.items()}
    assert list(only) == [next(iter(outputs))]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("body_format", ["auto", "json"])
def test_names_and_types_are_the_models_in_json_too(transport: str, body_format: str, client_of: Any) -> None:
    if transport == "cloudrun" and body_format != "auto":
        pytest.skip("gRPC has no JSON")
    with client_of(transport, "pair", ClientOptions(body_format=body_format)) as client:
        outputs = client.predict({"ids": [[1, 2], [3, 4]], "mask": [[1, 1], [0, 1]]}).outputs

    assert {name: (array.dtype.name, array.tolist()) for name, array in outputs.items()} == {
        "total": ("int32", [3, 4]),
        "count": ("int32", [2, 1]),
    }


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_signatures_versions_and_readiness(transport: str, client_of: Any) -> None:
    with client_of(transport, "half_plus_two") as client:
        assert str(client.signatures()["serving_default"].inputs["x"]) == "float32[?]"
        assert (client.versions()[0].version, client.versions()[0].is_available) == (12, True)
        assert client.ready()
        client.wait_until_ready(5)
    with client_of(transport, "scaled") as client:
        # An input with a default.
        assert client.predict({"x": [2]}).outputs["y"].tolist() == [6]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_classify_and_regress(transport: str, client_of: Any) -> None:
    examples = [{"x": 1.0, "name": "a"}, {"x": [3.0]}]
    with client_of(transport, "examples") as client:
        regression = client.regress(examples)
        classification = client.classify(examples, signature="classify")
        with pytest.raises(RequestError, match="examples must be a list of features by name"):
            client.regress({"x": 1.0})
        with pytest.raises(RequestError, match="feature x must be a value or a list of values"):
            client.regress([{"x": [[1.0]]}])

    assert regression.values == (2.5, 3.5)
    assert classification.classes == (
        (Class("a", 1.0), Class("other", 0.0)),
        (Class("?", 3.0), Class("other", -2.0)),
    )
    assert regression.timing.total_ns > 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_only_the_server_can_know(transport: str, client_of: Any) -> None:
    with client_of(transport, "half_plus_two") as client:
        for selected in ({"version": 99}, {"label": "nobody"}):
            with pytest.raises(ServerError) as raised:
                client.predict({"x": [1]}, **selected)
            assert raised.value.code in (StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT)
        with pytest.raises(RequestError, match="has no signature 'nope': it has serving_default"):
            client.predict({"x": [1]}, signature="nope")
        with pytest.raises(RequestError, match="has no output 'nope': it has y"):
            client.predict({"x": [1]}, outputs=["nope"])
        with pytest.raises(RequestError, match="a version or a label, not both"):
            client.predict({"x": [1]}, version=1, label="a")
        assert client.predict({"x": [1]}, version=12).outputs["y"].tolist() == [2.5]
    with client_of(transport, ModelAddress("half_plus_two", version=7)) as client:
        assert not client.ready()
        with pytest.raises(DeadlineError, match="was not ready within"):
            client.wait_until_ready(0.3)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_response_as_it_came(transport: str, client_of: Any) -> None:
    with client_of(transport, "half_plus_two", ClientOptions(keep_response=True)) as client:
        kept = client.predict({"x": [1]}).response

    assert "server-timing" in kept.headers
    assert kept.body


def test_multi_inference_and_reloading(models: Path, start_server: Callable[..., Any], tmp_path: Path) -> None:
    target, _ = start_server(
        "sdnn-model-server",
        "--port=0",
        "--rest_api_port=0",
        "--host=127.0.0.1",
        f"--model_base_path={models / 'examples'}",
        "--model_name=examples",
        f"--reload_folder={models}",
    )
    with GrpcClient(target, "examples") as client:
        tasks = [Task("regress"), Task("classify", signature="classify")]
        regression, classification = client.multi_inference(tasks, [{"x": 1.0}])
        assert regression.values == (2.5,)
        assert classification.classes[0][0] == Class("?", 1.0)
        config = ModelConfig("half", models / "half_plus_two", versions=(1, 12), labels={"stable": 1})
        client.reload_config([config])
        with pytest.raises(ServerError, match="NOT_FOUND"):
            client.regress([{"x": 1.0}])
    with GrpcClient(target, "half") as client:
        client.wait_until_ready(30)
        assert client.predict({"x": [1]}, label="stable").version == 1
        assert client.predict({"x": [1]}).version == 12


def test_a_container_on_its_own(models: Path, start_server: Callable[..., Any]) -> None:
    address, _ = start_server("sdnn-sagemaker", "serve", SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"))

    for url in (f"sagemaker+http://{address}", f"sagemaker+http://{address}/any-name", f"http://{address}"):
        with connect(url, "half_plus_two") as client:
            assert client.ready()
            assert client.predict({"x": [1]}).outputs["y"].tolist() == [2.5]


def test_tls(models: Path, start_server: Callable[..., Any], make_key: Callable[[], Any], tmp_path: Path) -> None:
    key, mine, other = make_key(), make_key(), make_key()
    paths = {}
    for name, made in {"server": key, "mine": mine, "other": other}.items():
        for part in ("private", "certificate"):
            paths[f"{name}_{part}"] = tmp_path / f"{name}-{part}.pem"
            paths[f"{name}_{part}"].write_bytes(getattr(made, f"{part}_pem"))
    target, _ = start_server(
        "sdnn-cloudrun",
        SDNN_MODEL_BASE_PATH=str(models / "half_plus_two"),
        SDNN_TLS_CERTIFICATE_FILE=str(paths["server_certificate"]),
        SDNN_TLS_KEY_FILE=str(paths["server_private"]),
    )
    url = f"grpcs://localhost:{target.rpartition(':')[2]}"
    trusted = TlsOptions(paths["server_certificate"], paths["mine_certificate"], paths["mine_private"])
    with connect(url, "half_plus_two", ClientOptions(tls=trusted, token="t")) as client:
        assert client.predict({"x": [1]}).outputs["y"].tolist() == [2.5]
    for tls in (None, TlsOptions(paths["other_certificate"])):
        with connect(url, "half_plus_two", ClientOptions(tls=tls)) as client, pytest.raises(ConnectionError):
            client.predict({"x": [1]}, timeout_s=5)


def test_the_command_shows_and_predicts(models: Path, deploy: Callable[..., str], tmp_path: Path) -> None:
    url = deploy("cloudrun", "half_plus_two", models)
    np.savez(tmp_path / "in.npz", x=np.float32([1, 2]))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serverless_dnn.client", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    shown = run(url, "half_plus_two").stdout
    assert "12  AVAILABLE" in shown
    assert "in   x  float32[?]" in shown
    predicted = run(url, "half_plus_two", "--input", str(tmp_path / "in.npz"), "--save", str(tmp_path / "out.npz"))
    assert "[2.5 3. ]" in predicted.stdout
    assert np.load(tmp_path / "out.npz")["y"].tolist() == [2.5, 3.0]
    refused = run("grpc://127.0.0.1:1", "m")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("ConnectError: cannot reach 127.0.0.1:1")
    assert "examples:" in run("--help").stdout
    assert "cannot read" in run(url, "half_plus_two", "--input", str(tmp_path / "nope.npz")).stderr
