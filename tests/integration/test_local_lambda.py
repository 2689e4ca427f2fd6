"""Amazon's SDK, an HTTP client and our own client against the local Lambda, which fails in the way Lambda fails.

What Lambda answers is in https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, how its phases fail in
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html.
"""

import base64
import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError as BotoError

from serverless_dnn.bench.errors import BenchError
from serverless_dnn.bench.platforms.base import DeployOptions
from serverless_dnn.bench.platforms.lambda_ import LocalLambda, null_function
from serverless_dnn.client import ClientOptions, ServerError, StatusCode, connect

REPORT = re.compile(
    r"REPORT RequestId: (?P<id>\S+)\tDuration: (?P<duration>[\d.]+) ms\tBilled Duration: (?P<billed>\d+) ms\t"
    r"Memory Size: (?P<size>\d+) MB\tMax Memory Used: (?P<used>\d+) MB\t(?:Init Duration: (?P<init>[\d.]+) ms\t)?$"
)
Start = Callable[..., LocalLambda]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Start]:
    """Deploy a model with ``sdnn-lambda``."""
    running: list[LocalLambda] = []

    def start(folder: Path, *, timeout_s: float = 60.0, init_timeout_s: float = 60.0, **scale: Any) -> LocalLambda:
        options = DeployOptions(folder.name, folder, tmp_path / "logs", **scale)
        running.append(LocalLambda(options, timeout_s=timeout_s, init_timeout_s=init_timeout_s))
        return running[-1]

    yield start
    for deployment in running:
        deployment.stop()


@pytest.fixture
def function(tmp_path: Path) -> Iterator[Start]:
    """Deploy a function of some lines under the real runtime client."""
    running: list[LocalLambda] = []
    command = ("env", f"PYTHONPATH={tmp_path}", sys.executable, "-m", "awslambdaric", "function.handler")

    def start(code: str, *, timeout_s: float = 30.0, init_timeout_s: float = 30.0, **scale: Any) -> LocalLambda:
        (tmp_path / "function.py").write_text(textwrap.dedent(code))
        options = DeployOptions("function", tmp_path, tmp_path / "logs", **scale)
        running.append(LocalLambda(options, command, timeout_s=timeout_s, init_timeout_s=init_timeout_s))
        return running[-1]

    yield start
    for deployment in running:
        deployment.stop()


def _boto(deployment: LocalLambda) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=deployment.url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=64),
    )


def _invoke(deployment: LocalLambda, event: object = None, **parameters: Any) -> dict[str, Any]:
    return _boto(deployment).invoke(FunctionName="sdnn", Payload=json.dumps(event or {}), **parameters)


def _call(deployment: LocalLambda, path: str = "/", **request: Any) -> Any:
    return urllib3.request("POST", deployment.url + path, retries=False, **request)


def _payload(answer: dict[str, Any]) -> Any:
    return json.load(answer["Payload"])


def _log(deployment_folder: Path, number: int = 1) -> list[str]:
    return (deployment_folder / "logs" / f"lambda-{number}.log").read_text().splitlines()


def _wait_until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def _gate(folder: Path, number: int) -> dict[str, Any]:
    """Inputs of a call that makes the file ``started-NUMBER`` and runs until the file ``go_on`` exists."""
    return {"inputs": {"started": str(folder / f"started-{number}"), "go_on": str(folder / "go_on")}}


def _started(folder: Path) -> int:
    return len(list(folder.glob("started-*")))


def test_boto3_gets_the_answer_and_what_lambda_tells_of_it(models: Path, serve: Start) -> None:
    deployment = serve(models / "half_plus_two")

    first, second = (_invoke(deployment, {"instances": [1, 2, 5]}, LogType="Tail") for _ in range(2))

    for answer in (first, second):
        assert _payload(answer) == {"predictions": [2.5, 3.0, 4.5]}
        assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
        assert "FunctionError" not in answer
    for answer, invocation in zip((first, second), deployment.invocations(), strict=True):
        request_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
        lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
        assert lines[0] == f"START RequestId: {request_id} Version: $LATEST"
        assert lines[-2] == f"END RequestId: {request_id}"
        report = REPORT.fullmatch(lines[-1])
        assert report is not None, lines[-1]
        assert report["id"] == invocation.request_id == request_id
        assert float(report["duration"]) == pytest.approx(invocation.duration_ns / 1e6, abs=0.01)
        assert int(report["billed"]) == invocation.billed_ms
        assert invocation.billed_ms == math.ceil((invocation.duration_ns + (invocation.init_ns or 0)) / 1e6)
        assert int(report["size"]) == invocation.memory_mb == 3008
        assert int(report["used"]) == invocation.max_memory_mb > 20
        assert (invocation.status, invocation.error_type, invocation.instance) == ("success", None, "000000000001")
        assert (report["init"] is None) == (invocation.init_ns is None) == (answer is second)


def test_the_log_of_an_answer_ends_with_the_report_and_has_four_kilobytes(function: Start) -> None:
    deployment = function("def handler(event, context):\n    print('x' * event['size'], flush=True)")

    short, long = (
        base64.b64decode(_invoke(deployment, {"size": size}, LogType="Tail")["LogResult"]) for size in (5, 9000)
    )

    assert [line.partition(b" ")[0] for line in short.splitlines()] == [b"START", b"xxxxx", b"END", b"REPORT"]
    assert len(long) == 4096
    assert long.startswith(b"xxx")
    assert long.splitlines()[-1].startswith(b"REPORT RequestId: ")
    assert "LogResult" not in _invoke(deployment, {"size": 1})


def test_a_dry_run_starts_nothing_and_checks_everything(function: Start) -> None:
    deployment = function("def handler(event, context):\n    return 1")
    client = _boto(deployment)

    assert client.invoke(FunctionName="sdnn", InvocationType="DryRun", Payload=b"{}")["StatusCode"] == 204
    for target in ({"FunctionName": "nope"}, {"FunctionName": "sdnn", "Qualifier": "7"}):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="Function not found: arn:aws:lambda:"):
            client.invoke(**target, InvocationType="DryRun")
    for payload in (b"{", b'{"x": NaN}', b"\x87\x9e"):
        with pytest.raises(client.exceptions.InvalidRequestContentException, match="Could not parse payload into json"):
            client.invoke(FunctionName="sdnn", InvocationType="DryRun", Payload=payload)
    with pytest.raises(client.exceptions.RequestTooLargeException, match="must be smaller than 6291456 bytes"):
        client.invoke(FunctionName="sdnn", InvocationType="DryRun", Payload=json.dumps("x" * 6_291_456))
    with pytest.raises(client.exceptions.RequestTooLargeException, match="must be smaller than 6291456 bytes"):
        client.invoke(FunctionName="sdnn", InvocationType="DryRun", Payload=json.dumps("x" * 30_000_000))
    with pytest.raises(BotoError, match="Value 'Sync' at 'invocationType' failed to satisfy constraint"):
        client.invoke(FunctionName="sdnn", InvocationType="Sync")
    assert deployment.server_pids() == ()
    assert deployment.invocations() == ()


def test_an_asynchronous_invocation_is_accepted_at_once_and_waits_for_its_instance(
    function: Start, tmp_path: Path
) -> None:
    deployment = function(_WAITING, instances=1, throttle=True)
    client = _boto(deployment)

    accepted = [
        client.invoke(FunctionName="sdnn", InvocationType="Event", Payload=json.dumps(_wait(tmp_path, number)))
        for number in range(3)
    ]
    _wait_until(lambda: _started(tmp_path) == 1)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.invoke(FunctionName="sdnn")
    (tmp_path / "go_on").touch()
    _wait_until(lambda: len(deployment.invocations()) == 3)

    assert [(answer["StatusCode"], answer["Payload"].read()) for answer in accepted] == [(202, b"")] * 3
    assert _started(tmp_path) == 3
    assert {invocation.instance for invocation in deployment.invocations()} == {"000000000001"}
    with pytest.raises(client.exceptions.RequestTooLargeException, match="Event invocation type"):
        client.invoke(FunctionName="sdnn", InvocationType="Event", Payload=json.dumps("x" * 1_048_576))


def test_our_client_through_both_front_ends(models: Path, serve: Start) -> None:
    deployment = serve(models / "half_plus_two")
    for url in (deployment.url, f"lambda+{deployment.url}/sdnn"):
        with connect(url, "half_plus_two") as client:
            prediction = client.predict({"x": [1.0, 2.0]})
        assert prediction.outputs["y"].tolist() == [2.5, 3.0]
        assert prediction.timing.server is not None
        assert prediction.timing.server.instance == deployment.invocations()[-1].instance


_WAITING = """
    import os, time

    def handler(event, context):
        if "started" in event:
            open(event["started"], "w").close()
            while not os.path.exists(event["go_on"]):
                time.sleep(0.01)
        return os.getpid()
"""


def _wait(folder: Path, number: int) -> dict[str, str]:
    return {"started": str(folder / f"started-{number}"), "go_on": str(folder / "go_on")}


def test_forty_requests_for_two_instances_wait_and_are_all_answered(models: Path, serve: Start, tmp_path: Path) -> None:
    deployment = serve(models / "gate", instances=2)
    with ThreadPoolExecutor(40) as threads:
        answers = [threads.submit(_invoke, deployment, _gate(tmp_path, number)) for number in range(40)]
        _wait_until(lambda: _started(tmp_path) == 2)
        pids = deployment.server_pids()
        (tmp_path / "go_on").touch()
        results = [_payload(answer.result()) for answer in answers]

    assert results == [{"outputs": [True]}] * 40
    assert _started(tmp_path) == 40
    assert deployment.server_pids() == pids
    invocations = deployment.invocations()
    assert [invocation.status for invocation in invocations] == ["success"] * 40
    assert {invocation.instance for invocation in invocations} == {"000000000001", "000000000002"}
    assert sum(invocation.init_ns is not None for invocation in invocations) == 2


def test_forty_requests_for_two_instances_that_refuse(models: Path, serve: Start, tmp_path: Path) -> None:
    deployment = serve(models / "gate", instances=2, throttle=True)
    client = _boto(deployment)
    with ThreadPoolExecutor(40) as threads:
        held = [threads.submit(_invoke, deployment, _gate(tmp_path, number)) for number in range(2)]
        _wait_until(lambda: _started(tmp_path) == 2)
        refused = [threads.submit(client.invoke, FunctionName="sdnn") for _ in range(38)]
        errors = [answer.exception() for answer in refused]
        over_http = _call(deployment, json={})
        with (
            connect(deployment.url, "gate", ClientOptions(check_inputs=False)) as ours,
            pytest.raises(ServerError) as raised,
        ):
            ours.predict({"started": "x", "go_on": "x"})
        (tmp_path / "go_on").touch()
        results = [_payload(answer.result()) for answer in held]

    assert results == [{"outputs": [True]}] * 2
    for error in errors:
        assert isinstance(error, client.exceptions.TooManyRequestsException)
        assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert over_http.status == 429
    assert raised.value.code is StatusCode.RESOURCE_EXHAUSTED
    assert len(deployment.invocations()) == 2
    assert _payload(_invoke(deployment, _gate(tmp_path, 2))) == {"outputs": [True]}


def test_the_most_recently_used_instance_is_reused(function: Start, tmp_path: Path) -> None:
    deployment = function(_WAITING, instances=2)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(_invoke, deployment, {**_wait(tmp_path, 0), "go_on": str(tmp_path / "first")})
        _wait_until(lambda: _started(tmp_path) == 1)
        second = threads.submit(_invoke, deployment, _wait(tmp_path, 1))
        _wait_until(lambda: _started(tmp_path) == 2)
        (tmp_path / "first").touch()
        pids = [_payload(first.result())]
        (tmp_path / "go_on").touch()
        pids.append(_payload(second.result()))

    assert set(deployment.server_pids()) == set(pids)
    assert [_payload(_invoke(deployment)) for _ in range(3)] == [pids[1]] * 3


def test_an_instance_without_requests_ends_and_the_next_request_starts_another(function: Start, tmp_path: Path) -> None:
    deployment = function(_WAITING, idle_timeout_s=0.3)
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(_invoke, deployment, _wait(tmp_path, 0))
        _wait_until(lambda: _started(tmp_path) == 1)
        with pytest.raises(TimeoutError):
            busy.result(timeout=1.0)
        (tmp_path / "go_on").touch()
        pid = _payload(busy.result())
    _wait_until(lambda: not psutil.pid_exists(pid))

    assert deployment.server_pids() == ()
    assert _payload(_invoke(deployment)) != pid
    assert [told.instance for told in deployment.invocations()] == ["000000000001", "000000000002"]


def test_an_instance_that_is_killed_while_idle_is_replaced_and_no_request_is_lost(models: Path, serve: Start) -> None:
    deployment = serve(models / "half_plus_two", throttle=True)
    for number in range(1, 4):
        assert _payload(_invoke(deployment, {"instances": [1]})) == {"predictions": [2.5]}
        (pid,) = deployment.server_pids()
        os.kill(pid, signal.SIGKILL)
        _wait_until(lambda: deployment.server_pids() == ())
        assert deployment.invocations()[-1].instance == f"{number:012d}"


def test_an_instance_that_is_killed_while_it_works_is_told_to_its_caller_alone(
    models: Path, serve: Start, tmp_path: Path
) -> None:
    deployment = serve(models / "gate", throttle=True)
    with ThreadPoolExecutor(2) as threads:
        lost = threads.submit(_invoke, deployment, _gate(tmp_path, 0), LogType="Tail")
        _wait_until(lambda: _started(tmp_path) == 1)
        os.kill(*deployment.server_pids(), signal.SIGKILL)
        answer = lost.result()
    (tmp_path / "go_on").touch()

    assert answer["FunctionError"] == "Unhandled"
    request_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert _payload(answer) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: signal: killed",
    }
    assert base64.b64decode(answer["LogResult"]).endswith(b"\tStatus: error\tError Type: Runtime.ExitError\n")
    assert _payload(_invoke(deployment, _gate(tmp_path, 1))) == {"outputs": [True]}


def test_an_invocation_that_takes_too_long_kills_its_instance(function: Start, tmp_path: Path) -> None:
    deployment = function(_WAITING, timeout_s=1.0)

    hung = _invoke(deployment, _wait(tmp_path, 0), LogType="Tail")
    pids = deployment.server_pids()
    document = _payload(hung)
    again = _payload(_invoke(deployment, _wait(tmp_path, 1)))
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
    assert _payload(_invoke(deployment, _wait(tmp_path, 2))) == deployment.server_pids()[0]
    first, second, third = deployment.invocations()
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
        answer = _call(deployment, path, json={})
        assert (answer.status, answer.data) == (502, b"Internal Server Error")
    assert [told.error_type for told in deployment.invocations()] == [
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
    assert _payload(_invoke(deployment)) == 1

    gone = _payload(_invoke(deployment, {"end": True}))

    assert gone["errorType"] == "Runtime.ExitError"
    assert gone["errorMessage"].endswith(f" Error: {why}")
    assert _payload(_invoke(deployment)) == 1


def test_a_result_that_is_too_large_is_an_error_and_the_next_request_is_answered(function: Start) -> None:
    deployment = function("def handler(event, context):\n    return 'x' * event.get('size', 1)")

    for size in (6_291_600, 40_000_000):
        assert _payload(_invoke(deployment, {"size": size})) == {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        }
        assert _payload(_invoke(deployment)) == "x"


def test_a_model_that_cannot_be_served_is_an_init_error(serve: Start, tmp_path: Path) -> None:
    deployment = serve(tmp_path / "nope")

    failed = _invoke(deployment, LogType="Tail")
    over_http = _call(deployment, "/v1/models/nope:predict", json={})

    assert failed["FunctionError"] == "Unhandled"
    assert "cannot read the model folder" in _payload(failed)["errorMessage"]
    assert (over_http.status, over_http.data) == (502, b"Internal Server Error")
    assert [invocation.status for invocation in deployment.invocations()] == ["error", "error"]
    assert deployment.server_pids() == ()


@pytest.mark.parametrize(
    ("code", "kind", "why"),
    [
        ("raise RuntimeError('no weights')", "RuntimeError", "no weights"),
        ("import nope", "Runtime.ImportModuleError", "Unable to import module 'function': No module named 'nope'"),
        ("x = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'function'"),
        ("import os; os._exit(4)", "Runtime.ExitError", "Runtime exited with error: exit status 4"),
    ],
)
def test_an_init_error_is_tried_again_in_the_invocation_and_then_told(
    code: str, kind: str, why: str, function: Start, tmp_path: Path
) -> None:
    deployment = function(code)

    failed = _invoke(deployment)

    document = _payload(failed)
    assert failed["FunctionError"] == "Unhandled"
    assert document["errorType"] == kind
    assert document["errorMessage"].endswith(why)
    (invocation,) = deployment.invocations()
    assert (invocation.status, invocation.error_type, invocation.init_ns) == ("error", kind, None)
    told = [line for line in _log(tmp_path) if line.partition(" ")[0] in {"INIT_REPORT", "START", "END", "REPORT"}]
    ending = f"\tStatus: error\tError Type: {kind}"
    assert [line.partition(" ")[0] for line in told] == ["INIT_REPORT", "INIT_REPORT", "START", "END", "REPORT"]
    assert told[0].endswith(f"\tPhase: init{ending}")
    assert told[1].endswith(f"\tPhase: invoke{ending}")
    assert told[4].endswith(ending)


def test_a_command_that_does_not_exist_is_an_entrypoint_that_is_invalid(tmp_path: Path) -> None:
    deployment = LocalLambda(DeployOptions("nope", tmp_path, tmp_path / "logs"), ("sdnn-nope",))
    try:
        document = _payload(_invoke(deployment))
    finally:
        deployment.stop()

    assert document["errorType"] == "Runtime.InvalidEntrypoint"
    assert "there is no command sdnn-nope" in document["errorMessage"]


_SLOW_TO_START = """
    import os, time

    folder = os.path.dirname(__file__)
    with open(f"{{folder}}/starts", "a") as starts:
        starts.write(".")
    if {condition}:
        time.sleep(600)

    def handler(event, context):
        return os.getpid()
"""


def test_an_init_phase_over_the_limit_is_run_again_in_the_first_invocation(function: Start, tmp_path: Path) -> None:
    code = _SLOW_TO_START.format(condition='os.path.getsize(f"{folder}/starts") == 1')
    deployment = function(code, init_timeout_s=2.0)

    assert _payload(_invoke(deployment)) == _payload(_invoke(deployment))

    assert (tmp_path / "starts").read_text() == ".."
    first, second = deployment.invocations()
    assert first.init_ns is second.init_ns is None
    assert first.instance == second.instance
    told = [line for line in _log(tmp_path) if line.startswith(("INIT_REPORT", "REPORT"))]
    assert re.fullmatch(r"INIT_REPORT Init Duration: 2\d{3}\.\d\d ms\tPhase: init\tStatus: timeout", told[0])
    assert [line.partition(" ")[0] for line in told[1:]] == ["REPORT", "REPORT"]


def test_the_second_init_phase_is_under_the_functions_time_out(function: Start, tmp_path: Path) -> None:
    deployment = function(_SLOW_TO_START.format(condition="True"), init_timeout_s=0.5, timeout_s=1.0)

    document = _payload(_invoke(deployment))

    assert document["errorType"] == "Sandbox.Timedout"
    assert document["errorMessage"].endswith(" Error: Task timed out after 1.00 seconds")
    assert (tmp_path / "starts").read_text() == ".."
    assert [line.partition("ms\t")[2] for line in _log(tmp_path) if line.startswith("INIT_REPORT")] == [
        "Phase: init\tStatus: timeout",
        "Phase: invoke\tStatus: timeout",
    ]
    assert deployment.server_pids() == ()


def test_an_init_phase_within_the_limit_is_fine_however_long_the_invocation_takes(function: Start) -> None:
    deployment = function("import time\ndef handler(event, context):\n    time.sleep(3.5)", init_timeout_s=3.0)

    assert _payload(_invoke(deployment)) is None

    (invocation,) = deployment.invocations()
    assert invocation.init_ns is not None
    assert invocation.duration_ns > 3.5e9


def test_the_null_function_answers_both_front_ends(tmp_path: Path) -> None:
    deployment = null_function(DeployOptions("null", tmp_path, tmp_path / "logs"))
    try:
        assert _call(deployment, body=b"anything").json() == {}
        assert _payload(_invoke(deployment))["statusCode"] == 200
        (pid,) = deployment.server_pids()
    finally:
        deployment.stop()

    assert not psutil.pid_exists(pid)
    with pytest.raises(BenchError, match="front door does not answer"):
        deployment.invocations()


def test_a_generator_that_is_killed_leaves_no_process(models: Path, tmp_path: Path) -> None:
    code = """
        import sys, time
        from pathlib import Path

        import psutil
        import urllib3

        from serverless_dnn.bench.platforms.base import DeployOptions
        from serverless_dnn.bench.platforms.lambda_ import LocalLambda

        deployment = LocalLambda(DeployOptions("half_plus_two", Path(sys.argv[1]), Path(sys.argv[2])))
        url = f"{deployment.url}/v1/models/half_plus_two:predict"
        assert urllib3.request("POST", url, json={"instances": [1]}).json() == {"predictions": [2.5]}
        print(*(process.pid for process in psutil.Process().children(recursive=True)), flush=True)
        time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(models / "half_plus_two"), str(tmp_path / "logs")]
    generator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert generator.stdout is not None
        pids = [int(pid) for pid in generator.stdout.readline().split()]
        generator.send_signal(signal.SIGKILL)
        generator.wait(60)
    finally:
        generator.kill()
        generator.wait()

    # The front door, and its instance.
    assert len(pids) == 2
    _wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))
