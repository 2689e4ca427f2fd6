"""Init phases of the local Lambda that fail, or take too long.

What happens then is in https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from platform_calls import call, invoke, payload

from serverless_dnn.bench.targets.base import DeployOptions
from serverless_dnn.bench.targets.local_lambda.deployment import LocalLambda

Start = Callable[..., LocalLambda]


def _log(deployment_folder: Path, number: int = 1) -> list[str]:
    return (deployment_folder / "logs" / f"lambda-{number}.log").read_text().splitlines()


def test_a_model_that_cannot_be_served_is_an_init_error(serve: Start, tmp_path: Path) -> None:
    deployment = serve(tmp_path / "nope")

    failed = invoke(deployment, LogType="Tail")
    over_http = call(deployment, "/v1/models/nope:predict", json={})

    assert failed["FunctionError"] == "Unhandled"
    assert "cannot read the model folder" in payload(failed)["errorMessage"]
    assert (over_http.status, over_http.data) == (502, b"Internal Server Error")
    assert [invocation.status for invocation in deployment.records().invocations] == ["error", "error"]
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

    failed = invoke(deployment)

    document = payload(failed)
    assert failed["FunctionError"] == "Unhandled"
    assert document["errorType"] == kind
    assert document["errorMessage"].endswith(why)
    (invocation,) = deployment.records().invocations
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
        document = payload(invoke(deployment))
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

    assert payload(invoke(deployment)) == payload(invoke(deployment))

    assert (tmp_path / "starts").read_text() == ".."
    first, second = deployment.records().invocations
    assert first.init_ns is second.init_ns is None
    assert first.instance == second.instance
    told = [line for line in _log(tmp_path) if line.startswith(("INIT_REPORT", "REPORT"))]
    assert re.fullmatch(r"INIT_REPORT Init Duration: 2\d{3}\.\d\d ms\tPhase: init\tStatus: timeout", told[0])
    assert [line.partition(" ")[0] for line in told[1:]] == ["REPORT", "REPORT"]


def test_the_second_init_phase_is_under_the_functions_time_out(function: Start, tmp_path: Path) -> None:
    deployment = function(_SLOW_TO_START.format(condition="True"), init_timeout_s=0.5, timeout_s=1.0)

    document = payload(invoke(deployment))

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

    assert payload(invoke(deployment)) is None

    (invocation,) = deployment.records().invocations
    assert invocation.init_ns is not None
    assert invocation.duration_ns > 3.5e9
