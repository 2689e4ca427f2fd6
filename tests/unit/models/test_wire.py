"""The workload table of the paper, measured by really encoding."""

import json
import subprocess
from collections.abc import Callable

import pytest

from serverless_dnn.models.registry import MODELS, get_model
from serverless_dnn.models.wire import measure_reply, measure_request

_MIB = 1 << 20


@pytest.mark.parametrize("name", MODELS)
def test_grpc_requests_are_the_papers(name: str) -> None:
    assert measure_request(get_model(name)).grpc / _MIB == pytest.approx(
        get_model(name).paper.input_grpc_mib, abs=0.001
    )


def test_yolos_grpc_reply_is_the_papers() -> None:
    assert measure_reply(get_model("yolo_v5s")).grpc / _MIB == pytest.approx(8.172, abs=0.001)


@pytest.mark.parametrize("name", ["mobilenet_v1", "inception_v3", "yolo_v5s"])
def test_rest_requests_are_the_papers_and_ours_are_about_half(name: str) -> None:
    sizes, paper_bytes = measure_request(get_model(name)), get_model(name).paper.input_rest_mib * _MIB

    assert sizes.rest_paper == pytest.approx(paper_bytes, rel=0.03)
    assert sizes.rest <= 0.56 * sizes.rest_paper


def test_berts_rest_request_is_the_papers_as_the_paper_rounds() -> None:
    """Whole numbers have no digits to drop: only white space goes."""
    sizes = measure_request(get_model("bert_base"))

    assert sizes.rest_paper / _MIB == pytest.approx(0.004, abs=0.0006)
    assert sizes.rest < 0.7 * sizes.rest_paper


def test_the_command_shows_it(run_command: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    rows = json.loads(run_command("sdnn-models", "list", "--wire", "--format", "json").stdout)

    assert [row["model"] for row in rows] == list(MODELS)
    assert rows[0]["input_grpc"] == {"ours": pytest.approx(0.574, abs=0.001), "paper": 0.574}
    table = run_command("sdnn-models", "list", "--wire").stdout
    assert "4.69 (4.688)" in table
