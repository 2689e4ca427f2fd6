"""What `sdnn-sagemaker deploy` and `delete` say, and leave behind, when something is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

pytest.importorskip("moto", reason="SageMaker's SDK has an environment of its own: hatch run aws:test")

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--memory-mb", "2000"), "--memory-mb 2000: expected one of 1024, 2048, 3072, 4096, 5120, 6144"),
        (("--max-concurrency", "201"), "--max-concurrency: expected a number from 1 to 200, got 201"),
        (("--provisioned-concurrency", "6"), "--provisioned-concurrency 6 is more than --max-concurrency 5"),
        (("--instance-type", "ml.m5.large", "--memory-mb", "1024"), "--memory-mb: for serverless endpoints only"),
        (("--region", "us-east-1"), "--image-uri is in eu-west-1"),
        (("--env", "TOKEN"), "--env: expected NAME=VALUE"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    deploy: Run, aws: Any, arguments: tuple[str, ...], said: str
) -> None:
    result = deploy(*arguments)

    assert result.exit_code == 1
    assert said in result.stderr
    assert aws.calls() == []


def test_a_role_is_needed(run: Run, aws: Any, model: Path) -> None:
    result = run("deploy", "--model", model, "--name", "half", "--image-uri", f"{aws.registry}:1")

    assert result.exit_code == 2
    assert "Missing option '--role'" in result.stderr


def test_an_endpoint_of_somebody_else_is_left_alone(deploy: Run, run: Run, aws: Any) -> None:
    variant = {"VariantName": "A", "ModelName": "theirs", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    aws.sagemaker.create_model(
        ModelName="theirs", PrimaryContainer={"Image": f"{aws.registry}:1"}, ExecutionRoleArn=aws.role
    )
    aws.sagemaker.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=[variant])
    aws.sagemaker.create_endpoint(EndpointName="half", EndpointConfigName="theirs")

    for result in (deploy(), run("delete", "half", "--region", aws.region)):
        assert result.exit_code == 1
        assert "the name half is taken by an endpoint that sdnn-sagemaker did not make" in result.stderr
    assert aws.names() == {"endpoints": ["half"], "configs": ["theirs"], "models": ["theirs"]}


def test_a_taken_revision_is_refused_and_left_as_it_was(deploy: Run, aws: Any) -> None:
    deploy("--revision", "one")

    result = deploy("--revision", "one", tag="2")

    assert result.exit_code == 1
    assert "Cannot create already existing model" in result.stderr
    assert aws.model_of("half")["PrimaryContainer"]["Image"] == f"{aws.registry}:1"


def test_what_a_failed_call_leaves_behind_is_removed(deploy: Run, aws: Any) -> None:
    # No such type exists, so that the configuration is refused after the model is made.
    result = deploy("--instance-type", "ml.x9.large")

    assert result.exit_code == 1
    assert "CreateEndpointConfig: ValidationException" in result.stderr
    assert aws.names() == {"endpoints": [], "configs": [], "models": []}


def test_a_container_that_does_not_start_is_reported_with_reason_and_log(deploy: Run, aws: Any) -> None:
    result = deploy(tag="broken")

    assert result.exit_code == 1
    (said,) = [line for line in result.stderr.splitlines() if line.startswith("sdnn-sagemaker: ")]
    assert "half is Failed: The primary container for production variant AllTraffic did not pass the ping" in said
    assert f"aws logs tail /aws/sagemaker/Endpoints/half --region {aws.region}" in said


def test_a_failed_endpoint_is_made_anew(deploy: Run, aws: Any) -> None:
    deploy("--revision", "one", tag="broken")

    result = deploy("--revision", "two")

    assert result.exit_code == 0, result.output
    assert "half had failed, so it is made anew" in result.stderr
    assert aws.endpoint("half")["EndpointStatus"] == "InService"


def test_a_failed_update_says_what_is_still_served(deploy: Run, aws: Any) -> None:
    deploy("--revision", "one")

    result = deploy("--revision", "two", tag="broken")

    assert result.exit_code == 1
    assert "half still serves half-one, for the update to half-two failed: The primary container" in result.stderr
    assert aws.endpoint("half")["EndpointStatus"] == "InService"


def test_an_endpoint_that_is_being_changed_is_left_alone(deploy: Run, aws: Any) -> None:
    deploy("--no-wait")
    before = aws.names()

    result = deploy()

    assert result.exit_code == 1
    assert "half is Creating: wait until that is over, then deploy again" in result.stderr
    assert aws.names() == before


def test_an_instance_is_not_changed_to_serverless(deploy: Run, aws: Any) -> None:
    deploy("--instance-type", "ml.m5.large")

    result = deploy()

    assert result.exit_code == 1
    assert "half runs on instances, which SageMaker cannot change to serverless" in result.stderr


def test_serverless_is_changed_to_an_instance(deploy: Run, aws: Any) -> None:
    deploy("--revision", "one")

    assert deploy("--revision", "two", "--instance-type", "ml.m5.large").exit_code == 0

    assert aws.config_of("half")["ProductionVariants"][0]["InstanceType"] == "ml.m5.large"


def test_a_bucket_that_is_named_must_be_there(deploy: Run, aws: Any) -> None:
    result = deploy("--bucket", "not-there")

    assert result.exit_code == 1
    assert "there is no bucket not-there: make it, or leave --bucket out" in result.stderr


def test_without_credentials_it_says_how_to_give_them(deploy: Run, aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    result = deploy()

    assert result.exit_code == 1
    assert "no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in result.stderr
    assert json.loads(deploy("--dry-run").stdout.splitlines()[0])["operation"] == "DescribeEndpoint"
