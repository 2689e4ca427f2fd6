"""Real servers with engine `auto` give the corpus's answers and refusals to callers, over gRPC and REST."""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import urllib3
from corpus import MODELS
from corpus.registry import Arrays, Case, Model
from harness.comparison import Difference, differences
from harness.worker import Answer, Refusal, Verdict

from serverless_dnn.client import ModelAddress, ServerError, connect

if TYPE_CHECKING:
    from concurrent.futures import Future

# Whichever test comes first waits until every model is built.
pytestmark = pytest.mark.timeout(900)
# Some of each kind. None keeps state: its count would depend on who asked before.
SAMPLE = (
    *(
        "activation_relu",
        "probabilities",
        "rows_of_a_table",
        "slices_of_given_bounds",
        "time_of_day",
        "copies_of_int64",
    ),
    *("keras_small_image_classifier", "keras_embedding_and_mean", "keras_lstm", "keras_two_inputs_and_two_outputs"),
    *("dense_of_free_width", "best_boxes", "signatures_of_several_functions", "table_from_a_file", "examples_parsed"),
)
Verdicts = Mapping[str, "Future[Verdict]"]


@pytest.fixture(scope="module")
def served_folder(corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the sample's models alone."""
    folder = tmp_path_factory.mktemp("served")
    for name in SAMPLE:
        if (corpus_folder / name).is_dir():
            (folder / name).symlink_to(corpus_folder / name)
    return folder


@pytest.fixture(scope="module")
def grpc_url(served_folder: Path, start_server: Callable[..., Any]) -> str:
    target, _ = start_server("sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(served_folder), SDNN_ENGINE="auto")
    return f"grpc://{target}"


@pytest.fixture(scope="module")
def rest_url(served_folder: Path, start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    config = tmp_path_factory.mktemp("config") / "models.config"
    entries = (f'config {{ name: "{path.name}" base_path: "{path}" }}' for path in sorted(served_folder.iterdir()))
    config.write_text(f"model_config_list {{ {' '.join(entries)} }}")
    flags = ("--port=0", "--rest_api_port=-1", "--host=127.0.0.1", f"--model_config_file={config}")
    _, process = start_server("sdnn-model-server", *flags, SDNN_ENGINE="auto")
    return f"http://127.0.0.1:{json.loads(process.ready_file.read_text())['rest_api_port']}"


@pytest.mark.parametrize("model_name", SAMPLE)
def test_grpc_answers_as_tensorflow(model_name: str, grpc_url: str, verdicts: Verdicts) -> None:
    def ask(case: Case) -> Answer:
        try:
            with connect(grpc_url, ModelAddress(model_name, signature_name=case.signature)) as client:
                return dict(client.predict(case.inputs).outputs)
        except ServerError as error:
            return Refusal(error.code.name, error.message)

    _assert_same(MODELS[model_name], verdicts[model_name].result().expected, ask)


# JSON has no shape for what has no elements.
@pytest.mark.parametrize("model_name", SAMPLE)
def test_rest_answers_as_tensorflow(model_name: str, rest_url: str, verdicts: Verdicts) -> None:
    def ask(case: Case) -> Answer:
        inputs = {name: _to_json(array.tolist()) for name, array in case.inputs.items()}
        body = json.dumps({"signature_name": case.signature, "inputs": inputs})
        reply = urllib3.request("POST", f"{rest_url}/v1/models/{model_name}:predict", body=body, timeout=60)
        document = json.loads(reply.data)
        if reply.status != 200:
            # One status stands for several codes.
            return Refusal("INVALID_ARGUMENT" if reply.status == 400 else str(reply.status), document["error"])
        return document["outputs"]

    _assert_same(MODELS[model_name], verdicts[model_name].result().expected, ask, _from_json)


def _assert_same(
    model: Model,
    expected: list[Answer],
    ask: Callable[[Case], Any],
    read: Callable[[Any, Arrays], Arrays] | None = None,
) -> None:
    found = []
    for number, (case, theirs) in enumerate(zip(model.cases(), expected, strict=True)):
        if read and not _has_json(case, theirs):
            continue
        ours = ask(case)
        if isinstance(theirs, Refusal) or isinstance(ours, Refusal):
            same_code = (
                isinstance(theirs, Refusal) and isinstance(ours, Refusal) and ours.code == (theirs.code or ours.code)
            )
            new = [] if same_code else [Difference("CODE", f"expected {theirs}, got {ours}")]
        else:
            new = differences(theirs, read(ours, theirs) if read else ours, model)
        found += [f"case {number}: {kind} {text}" for kind, text in new]
    assert not found, "\n".join(found)


def _has_json(case: Case, answer: Answer) -> bool:
    outputs = {} if isinstance(answer, Refusal) else answer
    return all(array.size for array in (*case.inputs.values(), *outputs.values()))


def _to_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _from_json(outputs: Any, expected: Arrays) -> Arrays:
    named = {next(iter(expected)): outputs} if len(expected) == 1 else outputs
    return {name: np.array(_bytes(value), expected[name].dtype) for name, value in named.items()}


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value.encode() if isinstance(value, str) else value
