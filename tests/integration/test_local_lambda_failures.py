"""The local Lambda fails in the way Lambda fails, and goes on.

How its phases fail is in https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html.
"""

import base64
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from platform_calls import WAITING_FUNCTION, call, invoke, payload, started, wait_event, wait_until

from serverless_dnn.bench.targets.local_lambda.deployment import LocalLambda

Start = Callable[..., LocalLambda]


def test_an_instance_that_is_killed_while_idle_is_replaced_and_no_request_is_lost(models: Path, serve: Start) -> None:
    deployment = serve(models / "half_plus_two", throttle=True)
    for number in range(1, 4):
        assert payload(invoke(deployment, {"instances": [1]})) == {"predictions": [2.5]}
        (pid,) = deployment.server_pids()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: deployment.server_pids() == ())
        assert deployment.records().invocations[-1].instance == f"{number:012d}"


def test_an_instance_that_is_killed_while_it_works_is_told_to_its_caller_alone(
    models: Path, serve: Start, tmp_path: Path
) -> None:
    deployment = serve(models / "gate", throttle=True)
    with ThreadPoolExecutor(2) as threads:
        lost = threads.submit(invoke, deployment, {"inputs": wait_event(tmp_path, 0)}, LogType="Tail")
        wait_until(lambda: started(tmp_path) == 1)
        os.kill(*deployment.server_pids(), signal.SIGKILL)
        answer = lost.result()
    (tmp_path / "go_on").touch()

    assert answer["FunctionError"] == "Unhandled"
    request_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert payload(answer) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: signal: killed",
    }
    assert base64.b64decode(answer["LogResult"]).endswith(b"\tStatus: error\tError Type: Runtime.ExitError\n")
    assert payload(invoke(deployment, {"inputs": wait_event(tmp_path, 1)})) == {"outputs": [True]}


def test_an_invocation_that_takes_too_long_kills_its_instance(function: Start, tmp_path: Path) -> None:
    deployment = function(WAITING_FUNCTION, timeout_s=1.0)

    hung = invoke(deployment, wait_event(tmp_path, 0), LogType="Tail")
    pids = deployment.server_pids()
    document = payload(hung)
    again = payload(invoke(deployment, wait_event(tmp_path, 1)))
    (tmp_path / "go_on").touch()

    assert hung["FunctionError"] == "Unhandled"
    request_id = hung["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert document == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
    }
    assert base64.b64decode(hung["LogResult"]).endswith(b"\tStatus: timeout\n")
    assert pids == ()
    assert again["errorType"] == "Sandbox.Timedout"
    assert payload(invoke(deployment, wait_event(tmp_path, 2))) == deployment.server_pids()[0]
    first, second, third = deployment.records().invocations
    assert [(told.status, told.error_type) for told in (first, second)] == [("timeout", "Sandbox.Timedout")] * 2
    assert min(first.duration_ns, second.duration_ns) >= 1e9
    assert third.status == "success"
    assert len({told.instance for told in (first, second, third)}) == 3


def test_a_caller_of_the_function_url_does_not_learn_why(function: Start) -> None:
    deployment = function(
        "import os, time\n"
        "def handler(event, context):\n"
        "    return {'/hang': lambda: time.sleep(60), '/raise': lambda: 1 / 0, '/exit': lambda: os._exit(1)}[event['rawPath']]()",
        timeout_s=1.0,
    )

    for path in ("/hang", "/raise", "/exit"):
        answer = call(deployment, path, json={})
        assert (answer.status, answer.data) == (502, b"Internal Server Error")
    assert [told.error_type for told in deployment.records().invocations] == [
        "Sandbox.Timedout",
        "ZeroDivisionError",
        "Runtime.ExitError",
    ]


@pytest.mark.parametrize(
    ("ending", "why"),
    [
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("os.kill(os.getpid(), 11)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_a_function_that_ends_its_process(ending: str, why: str, function: Start) -> None:
    deployment = function(f"import os\ndef handler(event, context):\n    if event: {ending}\n    return 1")
    assert payload(invoke(deployment)) == 1

    gone = payload(invoke(deployment, {"end": True}))

    assert gone["errorType"] == "Runtime.ExitError"
    assert gone["errorMessage"].endswith(f" Error: {why}")
    assert payload(invoke(deployment)) == 1


def test_a_result_that_is_too_large_is_an_error_and_the_next_request_is_answered(function: Start) -> None:
    deployment = function("def handler(event, context):\n    return 'x' * event.get('size', 1)")

    for size in (6_291_600, 40_000_000):
        assert payload(invoke(deployment, {"size": size})) == {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        }
        assert payload(invoke(deployment)) == "x"
