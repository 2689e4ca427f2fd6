"""What `sdnn-lambda deploy` and `delete` say, and leave behind, when something is wrong."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

pytest.importorskip("moto", reason="moto has an environment of its own: hatch run aws:test")

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--memory-mb", "127"), "--memory-mb: expected a number from 128 to 10,240, got 127"),
        (("--timeout-s", "901"), "--timeout-s: expected a number from 1 to 900, got 901"),
        (("--region", "us-east-1"), "--image-uri is in eu-west-1"),
        (("--env", "TOKEN"), "--env: expected NAME=VALUE"),
        (("--provisioned-concurrency", "3", "--reserved-concurrency", "2"), "is more than --reserved-concurrency 2"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    deploy: Run, aws: Any, arguments: tuple[str, ...], said: str
) -> None:
    result = deploy(*arguments)

    assert result.exit_code == 1
    assert said in result.stderr
    assert aws.calls() == []


def test_a_role_that_is_not_there_is_reported_with_what_to_check(deploy: Run, aws: Any) -> None:
    result = deploy(role=f"arn:aws:iam::{aws.account}:role/missing")

    assert result.exit_code == 1
    assert "The role defined for the function cannot be assumed by Lambda: check --role" in result.stderr
    assert aws.names() == []


def test_a_function_of_somebody_else_is_left_alone(deploy: Run, run: Run, aws: Any) -> None:
    aws.functions.create_function(
        FunctionName="half", Role=aws.role, PackageType="Image", Code={"ImageUri": f"{aws.registry}:0"}
    )

    for result in (deploy(), run("delete", "half", "--region", aws.region)):
        assert result.exit_code == 1
        assert "the name half is taken by a function that sdnn-lambda did not make" in result.stderr
    assert aws.function(qualifier="$LATEST")["Code"]["ImageUri"] == f"{aws.registry}:0"


def test_an_image_that_lambda_refuses_is_reported_with_its_reason_and_leaves_nothing(deploy: Run, aws: Any) -> None:
    result = deploy(tag="broken")

    assert result.exit_code == 1
    assert "sdnn-lambda: half: Lambda cannot read the image's manifest" in result.stderr
    assert "deleted half again, as the rest failed" in result.stderr
    assert aws.names() == []


def test_a_failed_update_leaves_the_version_before_live(deploy: Run, aws: Any) -> None:
    deploy()

    result = deploy(tag="broken")

    assert result.exit_code == 1
    assert "sdnn-lambda: half: Lambda cannot read the image's manifest" in result.stderr
    assert "version 1 is still live" in result.stderr
    assert aws.function()["Code"]["ImageUri"].startswith(aws.registry)
    assert aws.function()["Configuration"]["Version"] == "1"
    assert deploy(tag="2").exit_code == 0


def test_what_a_refused_setting_leaves_behind_is_deleted(deploy: Run, aws: Any) -> None:
    # The account has 1,000, of which 100 must stay unreserved.
    result = deploy("--reserved-concurrency", "950")

    assert result.exit_code == 1
    assert "PutFunctionConcurrency: InvalidParameterValueException: Specified ReservedConcurrent" in result.stderr
    assert aws.names() == []


def test_instances_that_do_not_start_are_reported(deploy: Run, aws: Any) -> None:
    deploy()

    result = deploy("--provisioned-concurrency", "901")

    assert result.exit_code == 1
    assert "sdnn-lambda: half: FUNCTION_ERROR_INIT_FAILURE" in result.stderr
    assert aws.names() == ["half"]


def test_a_function_whose_creation_failed_is_made_anew(deploy: Run, aws: Any) -> None:
    aws.functions.create_function(
        FunctionName="half",
        Role=aws.role,
        PackageType="Image",
        Code={"ImageUri": f"{aws.registry}:broken"},
        Tags={"serverless-dnn:function": "half"},
    )

    result = deploy()

    assert result.exit_code == 0, result.output
    assert "half had failed, so it is made anew" in result.stderr
    assert aws.function()["Code"]["ImageUri"] == f"{aws.registry}:1"


def test_a_deployment_that_is_interrupted_is_finished_by_the_next(deploy: Run, aws: Any) -> None:
    aws.be_slow(4)
    program = "from serverless_dnn.lambda_rest.cli import main; main()"
    options = ["deploy", "--name", "half", "--role", aws.role, "--image-uri", f"{aws.registry}:1"]
    command = [sys.executable, "-c", program, *options, "--endpoint-url", aws.url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stderr is not None
        while "Pending" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped; Lambda finishes what it was asked for, and the same command does the rest" in said
    assert "Traceback" not in said

    aws.be_slow(0)

    result = deploy()
    assert result.exit_code == 0, result.output
    assert "Lambda is still at another change of half" in result.stderr
    assert "version 1 is active and live" in result.stdout
    assert aws.operations().count("CreateFunction") == 1


def test_without_credentials_it_says_how_to_give_them(deploy: Run, aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    result = deploy()

    assert result.exit_code == 1
    assert "no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in result.stderr
    assert json.loads(deploy("--dry-run").stdout.splitlines()[0])["operation"] == "GetFunction"


def test_delete_without_a_region_asks_for_one(run: Run, aws: Any) -> None:
    result = run("delete", "half")

    assert result.exit_code == 1
    assert "no region: pass --region, or set AWS_REGION" in result.stderr
