"""Requests find the invocations and the instances that they belong to, or none."""

from analysis_runs import instance, invocation, measured, run_data, sample

from serverless_dnn.bench.analysis.joining import Rows
from serverless_dnn.bench.recorded_run import RunData


def _ends(data: RunData) -> list[int | None]:
    return [
        None if each.invocation is None else each.invocation.end_ns for each in Rows(data).requests("lambda", "closed")
    ]


def test_requests_and_invocations_are_matched_in_order_round_by_round() -> None:
    samples = [sample(number=1, index=0), sample(number=0, index=1), sample(number=0, index=0)]
    invocations = [
        invocation(number=0, begin_ms=2, end_ms=3),
        invocation(number=1, begin_ms=5, end_ms=6),
        invocation(number=0, begin_ms=0, end_ms=1),
        invocation("other", begin_ms=0, end_ms=9),
        invocation(experiment="warmup", begin_ms=0, end_ms=9),
    ]

    assert _ends(run_data([measured()], samples, invocations)) == [1_000_000, 3_000_000, 6_000_000]


def test_what_the_front_door_refused_has_no_invocation() -> None:
    samples = [sample(index=0), sample(index=1, status="RESOURCE_EXHAUSTED"), sample(index=2)]
    invocations = [invocation(begin_ms=0, end_ms=1), invocation(begin_ms=2, end_ms=3)]

    assert _ends(run_data([measured()], samples, invocations)) == [1_000_000, None, 3_000_000]


def test_nothing_is_matched_when_numbers_differ() -> None:
    assert _ends(run_data([measured()], [sample(index=0), sample(index=1)], [invocation()])) == [None, None]


def test_instances_are_told_apart_by_deployment() -> None:
    instances = [instance("other", spawned_ns=1), instance("shared", spawned_ns=2)]
    data = run_data([measured(deployment="shared")], [sample()], [invocation(deployment="shared")], instances)

    [request] = Rows(data).requests("lambda", "closed")

    assert request.instance is instances[1].record
