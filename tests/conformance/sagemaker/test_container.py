"""The cases of upstream's test_container.py (C1 to C25): in process, with batching, and with a model server as a child."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

MODES = ("in_process", "batching", "child")
JSON, CSV = "application/json", "text/csv"
INSTANCES = '{"instances": [1.0, 2.0, 5.0]}'
R1 = {"predictions": [3.5, 4.0, 5.5]}
R2 = {"predictions": [[3.5, 4.0, 5.5], [3.5, 4.0, 5.5]]}
# Row sums of 14 and 20.
WIDE = (
    "0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,0.0\n"
    "0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,1.0,0.0,6.0,0.0\n"
)


@dataclass(frozen=True)
class Container:
    """A running container: its mode, its process and how to invoke it."""

    mode: str
    process: Any
    invoke: Callable[..., Any]


@pytest.fixture(scope="module", params=MODES)
def container(
    request: pytest.FixtureRequest,
    model_folder: Path,
    binary: str,
    safe_port_range: Callable[[], str],
    start_server: Callable[..., Any],
    send: Callable[..., Any],
) -> Iterator[Container]:
    mode: str = request.param
    variables = {
        "in_process": {},
        "batching": {"SAGEMAKER_TFS_ENABLE_BATCHING": "true", "SAGEMAKER_SAFE_PORT_RANGE": safe_port_range()},
        "child": {"SAGEMAKER_TFS_BINARY": binary, "SAGEMAKER_SAFE_PORT_RANGE": safe_port_range()},
    }[mode]
    address, server = start_server(
        "sdnn-sagemaker",
        "serve",
        SDNN_MODEL_BASE_PATH=str(model_folder),
        SAGEMAKER_TFS_DEFAULT_MODEL_NAME="half_plus_three",
        SAGEMAKER_TFS_NGINX_LOGLEVEL="info",
        **variables,
    )

    def invoke(body: str, content_type: str = JSON, **headers: str) -> Any:
        return send(address, "POST", "/invocations", body, content_type=content_type, **headers)

    yield Container(mode, server.process, invoke)
    server.stop()


def attributes(method: str = "predict", version: int | None = None) -> dict[str, str]:
    """The header that selects half_plus_three."""
    asked = f"tfs-model-name=half_plus_three,tfs-method={method}"
    if version is not None:
        asked += f",tfs-model-version={version}"
    return {"x_amzn_sagemaker_custom_attributes": asked}


def regress(*values: float) -> str:
    return json.dumps({"signature_name": "tensorflow/serving/regress", "examples": [{"x": value} for value in values]})


LINES = "[1.0, 2.0, 5.0]\n[1.0, 2.0, 5.0]"
NAMED_LINES = '{"x": [1.0, 2.0, 5.0]}\n{"x": [1.0, 2.0, 5.0]}'
ANSWERS: dict[str, tuple[str, str, dict[str, str], object]] = {
    "C1_predict": (INSTANCES, JSON, attributes(), R1),
    "C3_specific_version_123": (INSTANCES, JSON, attributes(version=123), R1),
    "C3_specific_version_124": (INSTANCES, JSON, attributes(version=124), R1),
    "C4_two_instances": ('{"instances": [[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]]}', JSON, attributes(), R2),
    "C6_jsons_json_content_type": (LINES, JSON, attributes(), R2),
    "C7_jsonlines": (LINES, "application/jsonlines", attributes(), R2),
    "C8_jsons": (LINES, "application/jsons", attributes(), R2),
    "C9_jsons_2": (NAMED_LINES, JSON, attributes(), R2),
    "C10_generic_json": ("[1.0, 2.0, 5.0]", JSON, attributes(), {"predictions": [[3.5, 4.0, 5.5]]}),
    "C11_generic_json_two_instances": ("[[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]]", JSON, attributes(), R2),
    "C12_csv": ("1.0", CSV, attributes(), {"predictions": [3.5]}),
    "C13_csv_with_zero": ("0.0", CSV, attributes(), {"predictions": [3.0]}),
    "C14_csv_one_instance_three_values_with_zero": (
        *("0.0,2.0,5.0", CSV, attributes()),
        {"predictions": [[3.0, 4.0, 5.5]]},
    ),
    "C15_csv_one_instance_three_values": ("1.0,2.0,5.0", CSV, attributes(), {"predictions": [[3.5, 4.0, 5.5]]}),
    "C16_csv_two_instances_three_values": ("1.0,2.0,5.0\n1.0,2.0,5.0", CSV, attributes(), R2),
    "C17_csv_three_instances": ("1.0\n2.0\n5.0", CSV, attributes(), R1),
    "C19_regress": (regress(1.0, 2.0), JSON, attributes("regress"), {"results": [3.5, 4.0]}),
    "C20_regress_one_instance": (regress(1.0), JSON, attributes("regress"), {"results": [3.5]}),
    "C23_no_custom_attributes": (INSTANCES, JSON, {}, R1),
}


@pytest.mark.parametrize(("body", "content_type", "headers", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_answers(body: str, content_type: str, headers: dict[str, str], expected: object, container: Container) -> None:
    answer = container.invoke(body, content_type, **headers)

    assert answer.json == expected
    assert answer.status == 200


def test_c2_predict_twice(container: Container) -> None:
    answers = [container.invoke(INSTANCES, **attributes()).json for _ in range(2)]

    assert answers == [R1, R1]


def test_c5_jsonlines_input_error(container: Container) -> None:
    answer = container.invoke('{"instances": ["]["]}', **attributes())

    assert answer.status == 400
    # TensorFlow Serving of 2020 wrote the code in words, that of today writes its name.
    assert answer.json["error"].replace("INVALID_ARGUMENT", "Invalid argument") == (
        "Failed to process element: 0 of 'instances' list. Error: Invalid argument: "
        'JSON Value: "][" Type: String is not of expected type: float'
    )


def test_c18_csv_wide_categorical_input(container: Container) -> None:
    answer = container.invoke(WIDE, CSV, **attributes())

    predictions = answer.json["predictions"]
    assert [len(row) for row in predictions] == [30, 30]
    assert [sum(row) for row in predictions] == [97, 100]


def test_c21_bad_input(container: Container) -> None:
    answer = container.invoke("whatever", **attributes())

    assert answer.status == 400
    assert "error" in answer.json


def test_c22_bad_input_instances(container: Container) -> None:
    answer = container.invoke('{"junk": "data"}', **attributes())

    assert answer.status == 400
    assert answer.json["error"].startswith("Failed to process element: 0 key: junk of 'instances' list.")


@pytest.mark.parametrize(
    ("accept", "answered"),
    [("application/jsonlines", "application/jsonlines"), ("application/json, application/jsonlines", JSON)],
    ids=["C24_with_jsonlines", "C25_multiple_accept_types"],
)
def test_one_line_in_the_first_accepted_type(accept: str, answered: str, container: Container) -> None:
    answer = container.invoke(INSTANCES, accept=accept)

    assert answer.headers["content-type"] == answered
    assert len(answer.text.splitlines()) == 1
    assert answer.json == R1


def test_the_model_runs_where_the_mode_says(container: Container) -> None:
    children = psutil.Process(container.process.pid).children(recursive=True)

    servers = [child for child in children if any("sdnn-model-server" in part for part in child.cmdline())]

    assert len(servers) == (container.mode == "child")
    assert container.process.poll() is None
