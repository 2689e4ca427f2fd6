"""SageMaker batch transform, as the container sees it: probes, then records of a CSV file in parallel requests."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROWS = ["1.0,2.0,5.0"] * 10
PREDICTIONS = [[3.5, 4.0, 5.5]] * 10
CONCURRENT = 4


@dataclass(frozen=True)
class Transform:
    """A transform job on a running container."""

    address: str
    send: Callable[..., Any]

    def run(self, records: list[str], per_request: int, concurrent: int = CONCURRENT, **headers: str) -> list[Any]:
        """Send the records, so many in a request; gives the answers in the order of the records."""

        def transform(batch: Iterable[str]) -> Any:
            body = "\n".join(batch)
            return self.send(self.address, "POST", "/invocations", body, content_type="text/csv", **headers)

        batches = [records[first : first + per_request] for first in range(0, len(records), per_request)]
        with ThreadPoolExecutor(concurrent) as pool:
            return list(pool.map(transform, batches))


@pytest.fixture(scope="module", params=["in_process", "batching", "child"])
def job(
    request: pytest.FixtureRequest,
    transform_folder: Path,
    binary: str,
    start_server: Callable[..., Any],
    send: Callable[..., Any],
) -> Iterator[Transform]:
    """A container that SageMaker started for a transform job, probed as SageMaker does."""
    variables = {
        "in_process": {},
        # As in TensorFlow Serving, a request with more rows than fit a batch is refused, and eight do by default.
        "batching": {"SAGEMAKER_TFS_ENABLE_BATCHING": "true", "SAGEMAKER_TFS_MAX_BATCH_SIZE": "16"},
        "child": {"SAGEMAKER_TFS_BINARY": binary},
    }[request.param]
    address, server = start_server(
        "sdnn-sagemaker",
        "serve",
        SDNN_MODEL_BASE_PATH=str(transform_folder),
        SAGEMAKER_TFS_DEFAULT_MODEL_NAME="half_plus_three",
        SAGEMAKER_BATCH="true",
        SAGEMAKER_BATCH_STRATEGY="MULTI_RECORD",
        SAGEMAKER_MAX_PAYLOAD_IN_MB="6",
        SAGEMAKER_MAX_CONCURRENT_TRANSFORMS=str(CONCURRENT),
        **variables,
    )
    yield Transform(address, send)
    server.stop()


def predictions(answers: list[Any]) -> list[Any]:
    """The predictions of several answers, one after the other."""
    assert [answer.status for answer in answers] == [200] * len(answers)
    return list(itertools.chain.from_iterable(answer.json["predictions"] for answer in answers))


def test_the_probes_come_first(job: Transform) -> None:
    ping = job.send(job.address, "GET", "/ping")
    parameters = job.send(job.address, "GET", "/execution-parameters")

    assert ping.status == 200
    # A container may leave them to SageMaker; those that it gives are to be valid.
    assert parameters.status in (200, 404)
    if parameters.status == 200:
        given = parameters.json
        assert given["BatchStrategy"] in ("MULTI_RECORD", "SINGLE_RECORD")
        assert given["MaxConcurrentTransforms"] >= 1
        assert given["MaxConcurrentTransforms"] * given["MaxPayloadInMB"] <= 100


@pytest.mark.parametrize("per_request", [10, 3, 1], ids=["whole_file", "mini_batches", "one_record_a_request"])
def test_ten_rows(per_request: int, job: Transform) -> None:
    answers = job.run(ROWS, per_request)

    assert predictions(answers) == PREDICTIONS


def test_rows_keep_their_order(job: Transform) -> None:
    records = [f"{number}.0,{number + 1}.0" for number in range(100)]

    answers = job.run(records, 7)

    assert predictions(answers) == [[number / 2 + 3, (number + 1) / 2 + 3] for number in range(100)]


def test_nothing_is_refused_however_much_comes_at_once(job: Transform) -> None:
    """Nobody waits for a single answer of a transform job, which fails with its first error."""
    answers = job.run(ROWS * 20, 1, concurrent=32)

    assert predictions(answers) == PREDICTIONS * 20


@pytest.mark.parametrize("per_request", [10, 3, 1], ids=["whole_file", "mini_batches", "one_record_a_request"])
def test_csv_comes_back_as_csv_if_that_is_accepted(per_request: int, job: Transform) -> None:
    """Our extension: a line a row, so that a job can assemble its output by lines."""
    answers = job.run(ROWS, per_request, accept="text/csv")

    assert {answer.headers["content-type"].partition(";")[0] for answer in answers} == {"text/csv"}
    lines = [line for answer in answers for line in answer.text.splitlines()]
    assert [[float(value) for value in line.split(",")] for line in lines] == PREDICTIONS


def test_a_column_comes_back_as_a_column(job: Transform) -> None:
    asked = "tfs-model-name=any_rank"

    [answer] = job.run(["1.0", "2.0", "5.0"], 3, accept="text/csv", x_amzn_sagemaker_custom_attributes=asked)

    assert [float(line) for line in answer.text.splitlines()] == [3.5, 4.0, 5.5]


def test_a_bad_record_fails_its_own_request(job: Transform) -> None:
    good, bad = job.run([ROWS[0], "1.0,oops,5.0"], 1)

    assert predictions([good]) == PREDICTIONS[:1]
    assert bad.status == 400
    assert bad.json["error"]
