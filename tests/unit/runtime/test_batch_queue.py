"""Calls join batches in their order, whole or not at all, and never more than a run takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.runtime.errors import InvalidArgumentError, ResourceExhaustedError
from serverless_dnn.runtime.inference.batch_queue import BatchingOptions, BatchQueue


def _rows_by_call(queue: BatchQueue[int]) -> list[dict[int, int]]:
    batches = []
    while (batch := queue.take(0, at_once=True)) is not None:
        batches.append({part.call: part.end - part.begin for part in batch.parts})
    return batches


@pytest.mark.parametrize(
    ("options", "rows", "batches"),
    [
        (BatchingOptions(max_batch_size=4), [1, 1, 2, 1], [{0: 1, 1: 1, 2: 2}, {3: 1}]),
        (BatchingOptions(max_batch_size=4), [3, 2, 1], [{0: 3}, {1: 2, 2: 1}]),
        (
            BatchingOptions(max_batch_size=9, enable_large_batch_splitting=True, max_execution_batch_size=4),
            [3, 9],
            [{0: 3, 1: 1}, {1: 4}, {1: 4}],
        ),
        (BatchingOptions(max_batch_size=4, enable_large_batch_splitting=True), [3, 2], [{0: 3, 1: 1}, {1: 1}]),
    ],
)
def test_calls_fill_batches(options: BatchingOptions, rows: list[int], batches: list[dict[int, int]]) -> None:
    queue: BatchQueue[int] = BatchQueue(options)
    parts = [queue.add(call, "key", count, 0) for call, count in enumerate(rows)]

    assert _rows_by_call(queue) == batches
    assert parts == [sum(call in batch for batch in batches) for call in range(len(rows))]


def test_calls_of_other_keys_wait_apart_and_leave_oldest_first() -> None:
    queue: BatchQueue[str] = BatchQueue(BatchingOptions(max_batch_size=2, batch_timeout_micros=10))
    queue.add("a", "one", 1, now_ns=0)
    queue.add("b", "two", 1, now_ns=5_000)
    queue.add("c", "two", 1, now_ns=6_000)

    full = queue.take(7_000)
    assert full is not None
    assert [part.call for part in full.parts] == ["b", "c"]
    assert queue.take(9_999) is None
    assert queue.next_ready_ns() == 10_000
    late = queue.take(10_000)
    assert late is not None
    assert [part.call for part in late.parts] == ["a"]
    assert queue.next_ready_ns() is None


def test_a_full_queue_refuses_and_keeps_what_it_has() -> None:
    queue: BatchQueue[int] = BatchQueue(BatchingOptions(max_batch_size=2, max_enqueued_batches=2))
    for call in range(3):
        queue.add(call, "key", 1, 0)
    with pytest.raises(ResourceExhaustedError, match="2 of 2 batches wait"):
        queue.add(3, "key", 2, 0)
    queue.add(4, "key", 1, 0)
    with pytest.raises(InvalidArgumentError, match="Task size 3 is larger than maximum input batch size 2"):
        queue.add(5, "key", 3, 0)

    assert _rows_by_call(queue) == [{0: 1, 1: 1}, {2: 1, 4: 1}]


@given(
    st.lists(st.tuples(st.integers(1, 12), st.sampled_from("ab")), max_size=30),
    st.integers(1, 12),
    st.booleans(),
)
def test_every_row_runs_once_and_no_run_is_too_large(
    calls: list[tuple[int, str]], run_rows: int, splitting: bool
) -> None:
    options = BatchingOptions(
        max_batch_size=12 if splitting else run_rows,
        enable_large_batch_splitting=splitting,
        max_execution_batch_size=run_rows if splitting else 0,
        max_enqueued_batches=8,
    )
    queue: BatchQueue[int] = BatchQueue(options)
    accepted: dict[int, int] = {}
    for number, (rows, key) in enumerate(calls):
        try:
            queue.add(number, key, rows, 0)
            accepted[number] = rows
        except (InvalidArgumentError, ResourceExhaustedError):
            pass
    assert len(queue) <= 8
    seen: dict[int, list[int]] = {}
    while (batch := queue.take(0, at_once=True)) is not None:
        assert 0 < batch.rows <= run_rows
        assert batch.rows == sum(part.end - part.begin for part in batch.parts)
        assert len({calls[part.call][1] for part in batch.parts}) == 1
        for part in batch.parts:
            seen.setdefault(part.call, []).extend(range(part.begin, part.end))

    assert seen == {number: list(range(rows)) for number, rows in accepted.items()}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"max_batch_size": 0}, "max_batch_size must be at least 1"),
        ({"max_enqueued_batches": -1}, "max_enqueued_batches must be at least 1"),
        ({"num_batch_threads": 0}, "num_batch_threads must be at least 1"),
        ({"batch_timeout_micros": -1}, "must not be negative"),
        ({"max_batch_size": 8, "allowed_batch_sizes": (2, 4)}, "end with the most rows of one run, 8"),
        ({"max_batch_size": 8, "allowed_batch_sizes": (4, 2, 8)}, "must rise"),
        ({"max_batch_size": 8, "max_execution_batch_size": 4}, "needs enable_large_batch_splitting"),
        (
            {"max_batch_size": 8, "max_execution_batch_size": 9, "enable_large_batch_splitting": True},
            "between 0 and max_batch_size",
        ),
    ],
)
def test_parameters_that_cannot_hold_together(values: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=text):
        BatchingOptions(**values)  # type: ignore[arg-type]
