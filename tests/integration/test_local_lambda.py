"""Amazon's SDK and our own client against the local Lambda, which answers as Lambda does.

What Lambda answers is in https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html.
"""

import base64
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError as BotoError
from platform_calls import WAITING_FUNCTION, boto, invoke, payload, started, wait_event, wait_until

from serverless_dnn.bench.targets.local_lambda.deployment import LocalLambda
from serverless_dnn.client import connect

Start = Callable[..., LocalLambda]
REPORT = re.compile(
    r"REPORT RequestId: (?P<id>\S+)\tDuration: (?P<duration>[\d.]+) ms\tBilled Duration: (?P<billed>\d+) ms\t"
    r"Memory Size: (?P<size>\d+) MB\tMax Memory Used: (?P<used>\d+) MB\t(?:Init Duration: (?P<init>[\d.]+) ms\t)?$"
)


def test_boto3_gets_the_answer_and_what_lambda_tells_of_it(models: Path, serve: Start) -> None:
    deployment = serve(models / "half_plus_two")

    first, second = (invoke(deployment, {"instances": [1, 2, 5]}, LogType="Tail") for _ in range(2))

    for answer in (first, second):
        assert payload(answer) == {"predictions": [2.5, 3.0, 4.5]}
        assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
        assert "FunctionError" not in answer
    for answer, invocation in zip((first, second), deployment.records().invocations, strict=True):
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
        base64.b64decode(invoke(deployment, {"size": size}, LogType="Tail")["LogResult"]) for size in (5, 9000)
    )

    assert [line.partition(b" ")[0] for line in short.splitlines()] == [b"START", b"xxxxx", b"END", b"REPORT"]
    assert len(long) == 4096
    assert long.startswith(b"xxx")
    assert long.splitlines()[-1].startswith(b"REPORT RequestId: ")
    assert "LogResult" not in invoke(deployment, {"size": 1})


def test_a_dry_run_starts_nothing_and_checks_everything(function: Start) -> None:
    deployment = function("def handler(event, context):\n    return 1")
    client = boto("lambda", deployment.url)

    assert client.invoke(FunctionName="sdnn", InvocationType="DryRun", Payload=b"{}")["StatusCode"] == 204
    for target in ({"FunctionName": "nope"}, {"FunctionName": "sdnn", "Qualifier": "7"}):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="Function not found: arn:aws:lambda:"):
            client.invoke(**target, InvocationType="DryRun")
    for text in (b"{", b'{"x": NaN}', b"\x87\x9e"):
        with pytest.raises(client.exceptions.InvalidRequestContentException, match="Could not parse payload into json"):
            client.invoke(FunctionName="sdnn", InvocationType="DryRun", Payload=text)
    with pytest.raises(client.exceptions.RequestTooLargeException, match="must be smaller than 6291456 bytes"):
        client.invoke(FunctionName="sdnn", InvocationType="DryRun", Payload=json.dumps("x" * 6_291_456))
    with pytest.raises(client.exceptions.RequestTooLargeException, match="must be smaller than 6291456 bytes"):
        client.invoke(FunctionName="sdnn", InvocationType="DryRun", Payload=json.dumps("x" * 30_000_000))
    with pytest.raises(BotoError, match="Value 'Sync' at 'invocationType' failed to satisfy constraint"):
        client.invoke(FunctionName="sdnn", InvocationType="Sync")
    assert deployment.server_pids() == ()
    assert deployment.records().invocations == ()


def test_an_asynchronous_invocation_is_accepted_at_once_and_waits_for_its_instance(
    function: Start, tmp_path: Path
) -> None:
    deployment = function(WAITING_FUNCTION, instances=1, throttle=True)
    client = boto("lambda", deployment.url)

    accepted = [
        client.invoke(FunctionName="sdnn", InvocationType="Event", Payload=json.dumps(wait_event(tmp_path, number)))
        for number in range(3)
    ]
    wait_until(lambda: started(tmp_path) == 1)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.invoke(FunctionName="sdnn")
    (tmp_path / "go_on").touch()
    wait_until(lambda: len(deployment.records().invocations) == 3)

    assert [(answer["StatusCode"], answer["Payload"].read()) for answer in accepted] == [(202, b"")] * 3
    assert started(tmp_path) == 3
    assert {invocation.instance for invocation in deployment.records().invocations} == {"000000000001"}
    with pytest.raises(client.exceptions.RequestTooLargeException, match="Event invocation type"):
        client.invoke(FunctionName="sdnn", InvocationType="Event", Payload=json.dumps("x" * 1_048_576))


def test_our_client_through_both_front_ends(models: Path, serve: Start) -> None:
    deployment = serve(models / "half_plus_two")
    for url in (deployment.url, f"lambda+{deployment.url}/sdnn"):
        with connect(url, "half_plus_two") as client:
            prediction = client.predict({"x": [1.0, 2.0]})
        assert prediction.outputs["y"].tolist() == [2.5, 3.0]
        assert prediction.timing.server is not None
        assert prediction.timing.server.instance == deployment.records().invocations[-1].instance
