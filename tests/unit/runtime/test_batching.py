"""Calls that run together get their own rows and their own errors, on a real model that tells the rows of its run."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serverless_dnn.protos.v1 import signature_pb2
from serverless_dnn.runtime.deadline import Deadline
from serverless_dnn.runtime.engines.base import LoadedModel
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
)
from serverless_dnn.runtime.inference.batch_queue import BatchingOptions
from serverless_dnn.runtime.inference.batching import BatchingRunner, why_not_batchable
from serverless_dnn.runtime.inference.batching_parameters import read_batching_parameters
from serverless_dnn.runtime.saved_model.signature import Signature, TensorSpec, read_signatures
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance, PhaseTimer

# Longer than any test: a batch leaves when it is full, never by its time-out.
_NEVER_MICROS = 600_000_000
Outputs = dict[str, NDArray[Any]]
Send = Callable[..., Future[Outputs]]


@pytest.fixture(scope="module")
def lookup(models: Path) -> LoadedModel:
    folder = models / "lookup" / "1"
    return load_model(folder, read_signatures(folder), EngineOptions(name="tensorflow"), Instance())


@pytest.fixture
def batched(lookup: LoadedModel, models: Path):
    """Make a batching runner; gives a function that sends a call from a thread of its own."""
    signature = read_signatures(models / "lookup" / "1")["serving_default"]
    runners = []
    with ThreadPoolExecutor(16) as threads:

        def make(**values: Any) -> Send:
            runner = BatchingRunner(lookup, BatchingOptions(**{"batch_timeout_micros": _NEVER_MICROS, **values}))
            runners.append(runner)

            def send(*ids: list[int], deadline_ns: int | None = None) -> Future[Outputs]:
                inputs = {"ids": np.array(ids, np.int32)}
                return threads.submit(runner.run, signature, inputs, PhaseTimer(), Deadline(deadline_ns))

            return send

        yield make
        for runner in runners:
            runner.retire()


def _answers(calls: list[Future[Outputs]]) -> list[tuple[list[int], list[int]]]:
    outputs = [call.result(60) for call in calls]
    return [(out["total"].tolist(), out["rows_of_run"].tolist()) for out in outputs]


def test_each_call_gets_its_own_rows(batched: Callable[..., Send]) -> None:
    send = batched(max_batch_size=4)

    answers = _answers([send([0, 1]), send([2, 3], [4, 5]), send([5, 5])])

    assert answers == [([3], [4]), ([12, 48], [4, 4]), ([64], [4])]


def test_one_bad_call_never_fails_its_neighbours(batched: Callable[..., Send]) -> None:
    send = batched(max_batch_size=3)

    calls = [send([0]), send([99]), send([2])]

    assert _answers([calls[0], calls[2]]) == [([1], [1]), ([4], [1])]
    with pytest.raises(InvalidArgumentError, match="99"):
        calls[1].result(60)


def test_calls_of_other_shapes_never_share_a_run_unless_padded(batched: Callable[..., Send]) -> None:
    apart = batched(max_batch_size=2)
    assert _answers([apart([0]), apart([1, 2]), apart([3, 4]), apart([5])]) == [
        ([1], [2]),
        ([6], [2]),
        ([24], [2]),
        ([32], [2]),
    ]
    padded = batched(max_batch_size=2, pad_variable_length_inputs=True)
    # The shorter call is padded with its own first value.
    assert _answers([padded([1]), padded([3, 4, 5])]) == [([6], [2]), ([56], [2])]


def test_a_batch_is_filled_up_to_an_allowed_size(batched: Callable[..., Send]) -> None:
    send = batched(max_batch_size=8, allowed_batch_sizes=(4, 8), batch_timeout_micros=0)

    assert _answers([send([0], [1], [2])]) == [([1, 2, 4], [4, 4, 4])]


def test_a_large_call_runs_in_several_batches(batched: Callable[..., Send]) -> None:
    send = batched(
        max_batch_size=10, max_execution_batch_size=4, enable_large_batch_splitting=True, batch_timeout_micros=0
    )

    (answer,) = _answers([send(*([number % 6] for number in range(10)))])

    assert answer == ([1, 2, 4, 8, 16, 32, 1, 2, 4, 8], [4, 4, 4, 4, 4, 4, 4, 4, 2, 2])


def test_a_deadline_that_passes_in_the_queue_frees_its_place(batched: Callable[..., Send]) -> None:
    send = batched(max_batch_size=3)
    late = send([0], deadline_ns=perf_counter_ns() + 20_000_000)
    with pytest.raises(DeadlineExceededError, match="for a batch"):
        late.result(60)

    assert _answers([send([1]), send([2])]) == [([2], [2]), ([4], [2])]


def test_a_full_queue_refuses(batched: Callable[..., Send]) -> None:
    send = batched(max_batch_size=2, max_enqueued_batches=1)
    waiting = send([0], deadline_ns=perf_counter_ns() + 5_000_000_000)
    refused = None
    # The first call may reach the queue after this one, which then waits in its place until it is joined.
    while not isinstance(refused, ResourceExhaustedError):
        refused = send([1], [2], deadline_ns=perf_counter_ns() + 1_000_000).exception(60)

    assert "the batching queue is full" in str(refused)
    assert _answers([send([3]), waiting]) == [([8], [2]), ([1], [2])]


def test_rows_must_agree_and_no_rows_are_an_empty_answer(models: Path) -> None:
    folder = models / "pair" / "3"
    signatures = read_signatures(folder)
    loaded = load_model(folder, signatures, EngineOptions(name="openvino"), Instance())
    runner = BatchingRunner(loaded, BatchingOptions())
    mask = np.ones((0, 3), np.int32)

    with pytest.raises(InvalidArgumentError, match="equal 0th-dimension size: ids 2, mask 0"):
        runner.run(signatures["serving_default"], {"ids": np.ones((2, 3), np.int32), "mask": mask}, PhaseTimer())
    empty = runner.run(signatures["serving_default"], {"ids": mask, "mask": mask}, PhaseTimer())

    assert empty["total"].shape == (0,)
    runner.retire()


def test_a_retired_runner_runs_late_calls_alone(lookup: LoadedModel, models: Path) -> None:
    signature = read_signatures(models / "lookup" / "1")["serving_default"]
    runner = BatchingRunner(lookup, BatchingOptions(max_batch_size=4, batch_timeout_micros=_NEVER_MICROS))
    timer = PhaseTimer()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(runner.run, signature, {"ids": np.int32([[0]])}, timer)
        runner.retire()
        late = runner.run(signature, {"ids": np.int32([[1]])}, PhaseTimer())

        assert waiting.result(60)["rows_of_run"].tolist() == late["rows_of_run"].tolist() == [1]
    assert set(timer.phases_ns) == {"queue", "compute"}


def test_what_has_no_free_first_dimension_runs_alone(
    models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = """
import sys, tensorflow as tf
module = tf.Module()
module.serve = tf.function(lambda x: {"sum": tf.reduce_sum(x)}, input_signature=[tf.TensorSpec([None], tf.float32)])
tf.saved_model.save(module, sys.argv[1], {"serving_default": module.serve})
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "1")], check=True, capture_output=True)
    signatures = read_signatures(tmp_path / "1")
    loaded = load_model(tmp_path / "1", signatures, EngineOptions(name="openvino"), Instance())
    runner = BatchingRunner(loaded, BatchingOptions(max_batch_size=4, batch_timeout_micros=_NEVER_MICROS))

    outputs = runner.run(signatures["serving_default"], {"x": np.float32([1, 2])}, PhaseTimer())

    assert outputs["sum"] == 3
    assert "calls run one by one" in caplog.text
    runner.retire()


def test_many_callers_at_once(batched: Callable[..., Send]) -> None:
    send = batched(max_batch_size=8, batch_timeout_micros=0, max_enqueued_batches=100)

    calls = [send([number % 6, (number * 5) % 6]) for number in range(300)]

    table = [1, 2, 4, 8, 16, 32]
    assert [call.result(60)["total"].tolist() for call in calls] == [
        [table[number % 6] + table[(number * 5) % 6]] for number in range(300)
    ]


def test_the_parameters_file(tmp_path: Path) -> None:
    path = tmp_path / "batching.pbtxt"
    path.write_text(
        "max_batch_size { value: 16 }\nbatch_timeout_micros { value: 500 }\nmax_enqueued_batches { value: 3 }\n"
        "num_batch_threads { value: 2 }\nallowed_batch_sizes: [4, 16]\npad_variable_length_inputs: true\n"
    )
    assert read_batching_parameters(path) == BatchingOptions(16, 500, 3, 2, (4, 16), pad_variable_length_inputs=True)
    path.write_text("")
    assert read_batching_parameters(path) == BatchingOptions()
    path.write_text("max_batch_size: 16")
    with pytest.raises(InvalidArgumentError, match="is not BatchingParameters in text form: 1:17"):
        read_batching_parameters(path)
    with pytest.raises(NotFoundError, match="cannot read the batching parameters file"):
        read_batching_parameters(tmp_path / "nope")


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize(
    ("shape", "batchable"), [((None, 2), True), ((None,), True), ((2,), False), ((), False), (None, False)]
)
def test_calls_share_a_run_only_where_the_signature_says_that_there_are_rows(
    side: str, shape: tuple[int | None, ...] | None, batchable: bool
) -> None:
    tensors = {
        "inputs": {"x": TensorSpec("x", 1, (None,), "x:0")},
        "outputs": {"y": TensorSpec("y", 1, (None,), "y:0")},
    }
    tensors[side] = {"z": TensorSpec("z", 1, shape, "z:0")}
    signature = Signature("s", "", tensors["inputs"], tensors["outputs"], signature_pb2.SignatureDef())

    assert (why_not_batchable(signature) == "") == batchable
