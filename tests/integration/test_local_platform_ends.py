"""Whatever ends on a local platform, by itself or by force, leaves nothing behind, and its caller learns why."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from platform_calls import ask, started, wait_event, wait_until

from serverless_dnn.bench.errors import BenchError
from serverless_dnn.bench.targets.limits import enforcement

PLATFORMS = ("lambda", "sagemaker", "cloudrun")
ERRORS = {"lambda": "Runtime.ExitError", "sagemaker": "ModelError", "cloudrun": "UNAVAILABLE"}
Deploy = Callable[..., Any]


def _wait(folder: Path, number: int) -> str:
    return "wait {started} {go_on}".format(**wait_event(folder, number))


@pytest.fixture
def new_children() -> Callable[[], set[psutil.Process]]:
    """Tell this process's children that other tests did not leave running for the session."""
    others = set(psutil.Process().children())
    return lambda: set(psutil.Process().children()) - others


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_instance_that_is_killed_while_it_works_is_told_to_its_caller_and_replaced(
    platform: str, scripted: Deploy, tmp_path: Path
) -> None:
    deployment = scripted(platform)
    with ThreadPoolExecutor(1) as threads:
        lost = threads.submit(ask, deployment, _wait(tmp_path, 0))
        wait_until(lambda: started(tmp_path) == 1)
        (pid,) = deployment.server_pids()
        os.kill(pid, signal.SIGKILL)
        answer = lost.result()

    assert answer.code == ERRORS[platform]
    assert "signal: killed" in answer.text
    assert ask(deployment, "echo").code is None
    records = deployment.records()
    assert [each.status for each in records.invocations] == ["error", "success"]
    assert [each.end_reason for each in records.instances] == ["signal: killed", None]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_instance_that_is_killed_while_idle_is_replaced_and_no_request_is_lost(
    platform: str, scripted: Deploy
) -> None:
    deployment = scripted(platform, throttle=True)
    for _ in range(3):
        assert ask(deployment, "echo").code is None
        (pid,) = deployment.server_pids()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: deployment.server_pids() == ())
    assert ask(deployment, "echo").code is None
    assert [each.end_reason for each in deployment.records().instances] == [*["signal: killed"] * 3, None]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_server_that_exits_says_with_what(platform: str, scripted: Deploy) -> None:
    deployment = scripted(platform)

    answer = ask(deployment, "exit 3")

    assert answer.code == ERRORS[platform]
    assert "exit status 3" in answer.text
    assert deployment.records().instances[0].end_reason == "exit status 3"
    assert ask(deployment, "echo").code is None


@pytest.mark.skipif(enforcement().memory == "rlimit", reason="without control groups nothing is killed")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_instance_over_its_memory_is_killed_as_its_platform_would(platform: str, scripted: Deploy) -> None:
    deployment = scripted(platform, memory_mb=256)
    assert ask(deployment, "eat 20").code is None

    answer = ask(deployment, "eat 1000")

    if platform == "lambda":
        assert answer.code == "Runtime.OutOfMemory"
        assert answer.text.endswith(" Error: Runtime exited with error: signal: killed")
    else:
        assert answer.code == ERRORS[platform]
        assert "memory limit of 256 MiB exceeded" in answer.text
    assert ask(deployment, "echo").code is None
    records = deployment.records()
    assert [each.end_reason for each in records.instances] == ["OUT OF MEMORY", None]
    assert 200 <= records.instances[0].max_memory_mb <= 256
    assert [each.status for each in records.invocations] == ["success", "error", "success"]
    assert {each.memory_mb for each in records.invocations} == {256}
    assert deployment.facts.limits["memory_mb"] == f"256, {enforcement().memory}"


@pytest.mark.skipif(enforcement().memory == "rlimit", reason="without control groups nothing is killed")
def test_a_model_over_the_memory_of_its_instance_is_told_by_every_platform(models: Path, serve: Deploy) -> None:
    for platform in PLATFORMS:
        deployment = serve(models / "half_plus_two", platform, engine="tensorflow", memory_mb=128)
        # What a scripted server is asked; nobody is left to find it wrong.
        answer = ask(deployment, "echo")

        assert answer.code in {"Runtime.OutOfMemory", "InternalFailure", "UNAVAILABLE"}
        assert "signal: killed" in answer.text or "memory limit of 128 MiB exceeded" in answer.text
        assert {each.end_reason for each in deployment.records().instances} == {"OUT OF MEMORY"}
        deployment.stop()


@pytest.mark.skipif(enforcement().cpu == "affinity", reason="affinity gives whole cores")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_half_a_vcpu_takes_twice_the_time(platform: str, scripted: Deploy) -> None:
    deployment = scripted(platform, cpus=0.5)
    ask(deployment, "echo")

    ask(deployment, "spin 1")

    assert deployment.records().invocations[-1].duration_ns >= 1.7e9
    assert deployment.facts.limits["cpus"] == f"0.5, {enforcement().cpu}"
    # AWS does not say how many vCPUs come with SageMaker's memory, and a result must not look as if it did.
    assert ("assumed" in deployment.facts.limits["cpus_from"]) == (platform == "sagemaker")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_front_door_that_is_killed_takes_its_instances_along_and_says_so(
    platform: str, new_children: Callable[[], set[psutil.Process]], scripted: Deploy
) -> None:
    deployment = scripted(platform, memory_mb=512)
    pid = ask(deployment, "echo").pid
    (door,) = new_children()
    door.kill()
    wait_until(lambda: not psutil.pid_exists(pid))

    with pytest.raises(BenchError, match=r"the front door of .*, local does not answer"):
        deployment.records()
    with pytest.raises(BenchError, match="does not answer"):
        deployment.scale_to_zero()
    deployment.stop()
    assert new_children() == set()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_stopping_while_requests_run_and_wait_leaves_nothing_and_answers_them(
    platform: str, new_children: Callable[[], set[psutil.Process]], scripted: Deploy, tmp_path: Path
) -> None:
    deployment = scripted(platform)
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(ask, deployment, _wait(tmp_path, 0))
        wait_until(lambda: started(tmp_path) == 1)
        waiting = threads.submit(ask, deployment, "echo")
        (pid,) = deployment.server_pids()
        deployment.stop()
        for request in (running, waiting):
            failed = request.exception()
            assert failed is not None or request.result().code is not None

    assert not psutil.pid_exists(pid)
    assert new_children() == set()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_benchmark_that_is_killed_leaves_no_process(platform: str, models: Path, tmp_path: Path) -> None:
    code = """
        import sys, time
        from pathlib import Path

        import psutil

        from serverless_dnn.bench.platforms import PLATFORMS
        from serverless_dnn.bench.targets.base import DeployOptions
        from serverless_dnn.client import connect

        options = DeployOptions("half_plus_two", Path(sys.argv[2]), Path(sys.argv[3]), memory_mb=2048)
        deployment = PLATFORMS[sys.argv[1]].deploy(options)
        with connect(deployment.url, "half_plus_two") as client:
            assert client.predict({"x": [1.0]}).outputs["y"].tolist() == [2.5]
        print(*(process.pid for process in psutil.Process().children(recursive=True)), flush=True)
        time.sleep(600)
    """
    logs = tmp_path / "logs"
    command = [sys.executable, "-c", textwrap.dedent(code), platform, str(models / "half_plus_two"), str(logs)]
    benchmark = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert benchmark.stdout is not None
        pids = [int(pid) for pid in benchmark.stdout.readline().split()]
        benchmark.send_signal(signal.SIGKILL)
        benchmark.wait(60)
    finally:
        benchmark.kill()
        benchmark.wait()

    # The front door, its instance, and whatever these need.
    assert len(pids) >= 2
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


@pytest.mark.parametrize("platform", ["sagemaker", "cloudrun"])
def test_a_server_that_does_not_start_says_why(platform: str, serve: Deploy, tmp_path: Path) -> None:
    deployment = serve(tmp_path / "nope", platform)

    answer = ask(deployment, "echo")

    assert answer.code in {"InternalFailure", "UNAVAILABLE"}
    assert "cannot read the model folder" in answer.text
    assert [each.end_reason for each in deployment.records().instances] == ["exit status 1"]


@pytest.mark.parametrize("platform", ["sagemaker", "cloudrun"])
def test_a_server_that_never_becomes_ready_is_given_up(platform: str, tmp_path: Path) -> None:
    from serverless_dnn.bench.targets.base import DeployOptions
    from serverless_dnn.bench.targets.local_cloudrun.deployment import LocalCloudRun
    from serverless_dnn.bench.targets.local_sagemaker.deployment import LocalSageMaker

    start = LocalSageMaker if platform == "sagemaker" else LocalCloudRun
    deployment = start(DeployOptions("x", tmp_path, tmp_path / "logs", start_timeout_s=1), ("sleep", "600"))
    try:
        answer = ask(deployment, "echo")
        (instance,) = deployment.records().instances
    finally:
        deployment.stop()

    assert "not ready within 1 s" in answer.text
    assert instance.end_reason == "not ready within 1 s"
    assert instance.ready_ns is None
