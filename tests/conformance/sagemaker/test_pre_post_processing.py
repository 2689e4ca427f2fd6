"""The cases of upstream's test_pre_post_processing.py and test_pre_post_processing_mme.py (P1 to P7).

Five scripts behind /invocations, and one behind a multi-model endpoint.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

JSON, CSV = "application/json", "text/csv"
R1 = {"predictions": [3.5, 4.0, 5.5]}
BODIES = {JSON: '{"instances": [1.0, 2.0, 5.0]}', CSV: "1.0,2.0,5.0"}
MODEL = "half_plus_three"
VALUES = 753_936


@pytest.fixture(scope="module", params=["example1", "example2", "example3", "example4", "example5", "mme"])
def invoke(
    request: pytest.FixtureRequest,
    scripted_folder: Callable[..., Path],
    safe_port_range: Callable[[], str],
    offline: dict[str, str],
    start_server: Callable[..., Any],
    send: Callable[..., Any],
) -> Iterator[Callable[..., Any]]:
    """Send a body to the script and half_plus_three; without one, GET /ping."""
    multi_model = request.param == "mme"
    if multi_model:
        folder = scripted_folder("mme", model=f"{MODEL}/model/{MODEL}")
        variables = {"SAGEMAKER_MULTI_MODEL": "True"}
        path, asked = f"/models/{MODEL}/invoke", "tfs-method=predict"
    else:
        folder = scripted_folder(request.param[-1])
        variables = {}
        path, asked = "/invocations", f"tfs-model-name={MODEL},tfs-method=predict"
    address, server = start_server(
        "sdnn-sagemaker",
        "serve",
        SDNN_MODEL_BASE_PATH=str(folder),
        SAGEMAKER_TFS_NGINX_LOGLEVEL="info",
        SAGEMAKER_SAFE_PORT_RANGE=safe_port_range(),
        **offline,
        **variables,
        timeout_s=120,
    )
    if multi_model:
        url = f"{folder}/{MODEL}/model/{MODEL}"
        loaded = send(address, "POST", "/models", f'{{"model_name": "{MODEL}", "url": "{url}"}}', content_type=JSON)
        assert loaded.status == 200, loaded.text

    def ask(body: str | None = None, content_type: str = JSON, version: int | None = None) -> Any:
        if body is None:
            return send(address, "GET", "/ping")
        wanted = asked if version is None else f"{asked},tfs-model-version={version}"
        headers = {"content_type": content_type, "x_amzn_sagemaker_custom_attributes": wanted}
        return send(address, "POST", path, body, **headers)

    yield ask
    server.stop()


def test_p1_predict_json(invoke: Callable[..., Any]) -> None:
    answer = invoke(BODIES[JSON])

    assert answer.json == R1
    assert answer.status == 200
    assert answer.headers["content-type"] == JSON


def test_p2_zero_content(invoke: Callable[..., Any]) -> None:
    answer = invoke("")

    assert answer.status == 500
    assert "document is empty" in answer.json["error"]


def test_p3_large_input(invoke: Callable[..., Any]) -> None:
    line = ",".join(itertools.islice(itertools.cycle(["1.0", "2.0", "5.0"]), VALUES))
    assert len(line) == 3_015_743

    answer = invoke(line, CSV)

    assert answer.status == 200
    assert answer.json["predictions"] == R1["predictions"] * (VALUES // 3)


def test_p4_csv_input(invoke: Callable[..., Any]) -> None:
    answer = invoke(BODIES[CSV], CSV)

    assert answer.json == R1
    assert answer.status == 200


@pytest.mark.parametrize("content_type", BODIES, ids=["json", "csv"])
@pytest.mark.parametrize("version", [123, 124])
def test_p5_predict_specific_versions(content_type: str, version: int, invoke: Callable[..., Any]) -> None:
    answer = invoke(BODIES[content_type], content_type, version)

    assert answer.json == R1


def test_p6_unsupported_content_type(invoke: Callable[..., Any]) -> None:
    answer = invoke("aW1hZ2UgYnl0ZXM=", "unsupported-type")

    assert answer.status == 500
    assert "unsupported content type" in answer.json["error"]


def test_p7_ping_service(invoke: Callable[..., Any]) -> None:
    answer = invoke()

    assert answer.status == 200


def test_requirements_that_cannot_be_installed_stop_the_start(
    scripted_folder: Callable[..., Path],
    offline: dict[str, str],
    run_command: Callable[..., Any],
) -> None:
    """Example 3 may find its Pillow here by chance; this shows that its requirements are seen to."""
    folder = scripted_folder("3")
    requirements = folder / "code" / "requirements.txt"
    requirements.chmod(0o644)
    requirements.write_text("serverless-dnn-has-no-such-package\n")

    ended = run_command(
        "sdnn-sagemaker",
        "serve",
        SDNN_MODEL_BASE_PATH=str(folder),
        SAGEMAKER_BIND_TO_PORT="0",
        SDNN_HOST="127.0.0.1",
        **offline,
    )

    assert ended.returncode != 0
    assert "serverless-dnn-has-no-such-package" in ended.stderr


def test_a_lib_folder_keeps_requirements_from_being_installed(
    scripted_folder: Callable[..., Path], offline: dict[str, str], start_server: Callable[..., Any]
) -> None:
    """Example 5's cannot be installed, so that it would not start if they were; a warning names them."""
    _, server = start_server("sdnn-sagemaker", "serve", SDNN_MODEL_BASE_PATH=str(scripted_folder("5")), **offline)

    assert "requirements.txt" in server.log_path.read_text()
    server.stop()
