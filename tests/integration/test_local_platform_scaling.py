"""All three local platforms alike: which instances serve what, when they start and end, and what is recorded of that."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from platform_calls import ask, started, wait_event, wait_until

PLATFORMS = ("lambda", "sagemaker", "cloudrun")
Deploy = Callable[..., Any]


def _wait(folder: Path, number: int) -> str:
    return "wait {started} {go_on}".format(**wait_event(folder, number))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_first_request_starts_an_instance_and_the_records_tell_of_both(platform: str, scripted: Deploy) -> None:
    deployment = scripted(platform)
    assert deployment.server_pids() == ()
    assert deployment.records().instances == ()

    pids = [ask(deployment, "echo").pid for _ in range(3)]

    records = deployment.records()
    assert len(set(pids)) == 1
    assert records.server_pids[0] in {pids[0], psutil.Process(pids[0]).ppid()}
    first, second, third = records.invocations
    (instance,) = records.instances
    assert {each.instance for each in records.invocations} == {instance.instance}
    assert len({each.request_id for each in records.invocations}) == 3
    for each in records.invocations:
        assert (each.status, each.error_type) == ("success", None)
        assert each.arrival_ns <= each.begin_ns < each.end_ns
        assert 0 < each.max_memory_mb <= instance.max_memory_mb
    assert first.arrival_ns < instance.begin_ns < instance.spawned_ns < instance.ready_ns < first.begin_ns
    assert first.end_ns < second.arrival_ns
    assert first.init_ns == pytest.approx(instance.ready_ns - instance.begin_ns)
    assert second.init_ns is third.init_ns is None
    assert (instance.end_ns, instance.end_reason) == (None, None)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_cpu_time_and_the_memory_of_an_instance_are_recorded(platform: str, scripted: Deploy) -> None:
    deployment = scripted(platform)
    ask(deployment, "echo")
    (before,) = deployment.records().instances

    ask(deployment, "spin 1")
    ask(deployment, "eat 100")

    (after,) = deployment.records().instances
    assert after.cpu_ns - before.cpu_ns >= 1e9
    assert after.max_memory_mb >= before.max_memory_mb + 90
    assert deployment.records().invocations[-1].max_memory_mb >= before.max_memory_mb + 90


@pytest.mark.parametrize("platform", PLATFORMS)
def test_scaling_to_zero_waits_for_requests_and_ends_all_instances(
    platform: str, scripted: Deploy, tmp_path: Path
) -> None:
    deployment = scripted(platform, instances=2)
    with ThreadPoolExecutor(3) as threads:
        running = []
        for number in range(2):
            running.append(threads.submit(ask, deployment, _wait(tmp_path, number)))
            wait_until(lambda number=number: started(tmp_path) == number + 1)
        pids = deployment.server_pids()
        scaled = threads.submit(deployment.scale_to_zero)
        with pytest.raises(TimeoutError):
            scaled.result(timeout=0.3)
        (tmp_path / "go_on").touch()
        answers = [each.result() for each in running]
        assert scaled.result() is True

    assert len({answer.pid for answer in answers}) == len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)
    records = deployment.records()
    assert records.server_pids == ()
    assert [each.end_reason for each in records.instances] == ["scaled to zero"] * 2
    assert max(each.end_ns for each in records.invocations) < min(each.end_ns for each in records.instances)
    assert ask(deployment, "echo").pid not in {answer.pid for answer in answers}
    assert len(deployment.records().instances) == 3


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_instance_without_requests_ends_after_the_idle_time(platform: str, scripted: Deploy) -> None:
    deployment = scripted(platform, idle_timeout_s=0.2)
    pid = ask(deployment, "echo").pid
    wait_until(lambda: deployment.records().instances[0].end_ns)

    assert not psutil.pid_exists(pid)
    assert deployment.records().instances[0].end_reason == "idle"
    assert ask(deployment, "echo").pid != pid


@pytest.mark.parametrize("platform", PLATFORMS)
def test_requests_beyond_the_instances_wait(platform: str, scripted: Deploy, tmp_path: Path) -> None:
    deployment = scripted(platform, instances=2)
    with ThreadPoolExecutor(12) as threads:
        answers = [threads.submit(ask, deployment, _wait(tmp_path, number)) for number in range(12)]
        wait_until(lambda: started(tmp_path) == 2)
        (tmp_path / "go_on").touch()
        pids = {answer.result().pid for answer in answers}

    records = deployment.records()
    assert len(pids) == len(records.instances) == 2
    assert [each.status for each in records.invocations] == ["success"] * 12


@pytest.mark.parametrize("platform", PLATFORMS)
def test_requests_that_wait_are_served_in_the_order_in_which_they_came(
    platform: str, scripted: Deploy, tmp_path: Path
) -> None:
    # With several instances, the one of a later request may be ready first.
    deployment = scripted(platform, instances=1)
    with ThreadPoolExecutor(12) as threads:
        answers = [threads.submit(ask, deployment, _wait(tmp_path, number)) for number in range(12)]
        wait_until(lambda: started(tmp_path) == 1)
        (tmp_path / "go_on").touch()
        assert len({answer.result().pid for answer in answers}) == 1

    by_begin = sorted(deployment.records().invocations, key=lambda each: each.begin_ns)
    assert len(by_begin) == 12
    assert [each.arrival_ns for each in by_begin] == sorted(each.arrival_ns for each in by_begin)


@pytest.mark.parametrize(
    ("platform", "code"),
    [("lambda", "TooManyRequestsException"), ("sagemaker", "ThrottlingException"), ("cloudrun", "UNAVAILABLE")],
)
def test_requests_beyond_the_instances_are_refused_if_so_chosen(
    platform: str, code: str, scripted: Deploy, tmp_path: Path
) -> None:
    deployment = scripted(platform, throttle=True)
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(ask, deployment, _wait(tmp_path, 0))
        wait_until(lambda: started(tmp_path) == 1)
        refused = ask(deployment, "echo")
        (tmp_path / "go_on").touch()
        answered = busy.result()

    assert refused.code == code
    assert answered.code is None
    assert len(deployment.records().invocations) == 1
    assert ask(deployment, "echo").pid == answered.pid


@pytest.mark.parametrize("platform", PLATFORMS)
def test_only_what_is_new_is_asked_for(platform: str, scripted: Deploy) -> None:
    deployment = scripted(platform)
    for number in range(1, 4):
        ask(deployment, "echo")
        told = deployment.records().invocations
        assert len(told) == number
        assert deployment.records().invocations == told
