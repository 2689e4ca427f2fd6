"""Which instances of the local Lambda run what, when they start and when they end."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from platform_calls import WAITING_FUNCTION, boto, call, invoke, payload, started, wait_event, wait_until

from serverless_dnn.bench.targets.local_lambda.deployment import LocalLambda
from serverless_dnn.client import ClientOptions, ServerError, StatusCode, connect

Start = Callable[..., LocalLambda]


def test_forty_requests_for_two_instances_wait_and_are_all_answered(models: Path, serve: Start, tmp_path: Path) -> None:
    deployment = serve(models / "gate", instances=2)
    with ThreadPoolExecutor(40) as threads:
        answers = [threads.submit(invoke, deployment, {"inputs": wait_event(tmp_path, number)}) for number in range(40)]
        wait_until(lambda: started(tmp_path) == 2)
        pids = deployment.server_pids()
        (tmp_path / "go_on").touch()
        results = [payload(answer.result()) for answer in answers]

    assert results == [{"outputs": [True]}] * 40
    assert started(tmp_path) == 40
    assert deployment.server_pids() == pids
    invocations = deployment.records().invocations
    assert [invocation.status for invocation in invocations] == ["success"] * 40
    assert {invocation.instance for invocation in invocations} == {"000000000001", "000000000002"}
    assert sum(invocation.init_ns is not None for invocation in invocations) == 2


def test_forty_requests_for_two_instances_that_refuse(models: Path, serve: Start, tmp_path: Path) -> None:
    deployment = serve(models / "gate", instances=2, throttle=True)
    client = boto("lambda", deployment.url)
    with ThreadPoolExecutor(40) as threads:
        held = [threads.submit(invoke, deployment, {"inputs": wait_event(tmp_path, number)}) for number in range(2)]
        wait_until(lambda: started(tmp_path) == 2)
        refused = [threads.submit(client.invoke, FunctionName="sdnn") for _ in range(38)]
        errors = [answer.exception() for answer in refused]
        over_http = call(deployment, json={})
        with (
            connect(deployment.url, "gate", ClientOptions(check_inputs=False)) as ours,
            pytest.raises(ServerError) as raised,
        ):
            ours.predict({"started": "x", "go_on": "x"})
        (tmp_path / "go_on").touch()
        results = [payload(answer.result()) for answer in held]

    assert results == [{"outputs": [True]}] * 2
    for error in errors:
        assert isinstance(error, client.exceptions.TooManyRequestsException)
        assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert over_http.status == 429
    assert raised.value.code is StatusCode.RESOURCE_EXHAUSTED
    assert len(deployment.records().invocations) == 2
    assert payload(invoke(deployment, {"inputs": wait_event(tmp_path, 2)})) == {"outputs": [True]}


def test_the_most_recently_used_instance_is_reused(function: Start, tmp_path: Path) -> None:
    deployment = function(WAITING_FUNCTION, instances=2)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(invoke, deployment, {**wait_event(tmp_path, 0), "go_on": str(tmp_path / "first")})
        wait_until(lambda: started(tmp_path) == 1)
        second = threads.submit(invoke, deployment, wait_event(tmp_path, 1))
        wait_until(lambda: started(tmp_path) == 2)
        (tmp_path / "first").touch()
        pids = [payload(first.result())]
        (tmp_path / "go_on").touch()
        pids.append(payload(second.result()))

    assert set(deployment.server_pids()) == set(pids)
    assert [payload(invoke(deployment)) for _ in range(3)] == [pids[1]] * 3


def test_an_instance_without_requests_ends_and_the_next_request_starts_another(function: Start, tmp_path: Path) -> None:
    deployment = function(WAITING_FUNCTION, idle_timeout_s=0.3)
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(invoke, deployment, wait_event(tmp_path, 0))
        wait_until(lambda: started(tmp_path) == 1)
        with pytest.raises(TimeoutError):
            busy.result(timeout=1.0)
        (tmp_path / "go_on").touch()
        pid = payload(busy.result())
    wait_until(lambda: not psutil.pid_exists(pid))

    assert deployment.server_pids() == ()
    assert payload(invoke(deployment)) != pid
    assert [told.instance for told in deployment.records().invocations] == ["000000000001", "000000000002"]
