"""`sdnn-lambda deploy` and `delete`, with Amazon's real SDK, against moto's server over HTTP."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

pytest.importorskip("moto", reason="moto has an environment of its own: hatch run aws:test")

Run = Callable[..., Result]


def planned(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def expected(calls: list[dict[str, Any]], *conditions: str, version: str) -> list[dict[str, Any]]:
    """The calls of a dry run whose condition holds, with the number that the published version got."""
    made = [
        call
        for call in calls
        if call.get("when", "until").startswith(("until", *conditions))
        and not call.get("when", "").endswith("is Failed")
    ]
    text = json.dumps([{name: value for name, value in call.items() if name != "when"} for call in made])
    return list(json.loads(text.replace('"VERSION"', f'"{version}"')))


# fmt: off
EVERYTHING = (
    "--memory-mb", "1769", "--timeout-s", "30", "--ephemeral-storage-mb", "1024", "--env", "SDNN_ENGINE=openvino",
    "--function-url", "public", "--reserved-concurrency", "9", "--provisioned-concurrency", "2",
)
# fmt: on
NEW = ("there is no", "its policy lacks")
OLD = ("there is one", "there is an alias", "there is such a function", "there is a URL")


@pytest.mark.parametrize("options", [(), EVERYTHING, ("--function-url", "none", "--no-wait")])
def test_a_dry_run_prints_the_calls_of_the_run(deploy: Run, aws: Any, options: tuple[str, ...]) -> None:
    calls = planned(deploy("--dry-run", *options))
    assert aws.calls() == []

    result = deploy(*options)

    assert result.exit_code == 0, result.output
    assert aws.calls() == expected(calls, *NEW, version="1")


def test_a_dry_run_of_an_update_prints_the_calls_of_the_run(deploy: Run, aws: Any) -> None:
    deploy()
    calls = planned(deploy("--dry-run", tag="2"))
    before = len(aws.calls())

    assert deploy(tag="2").exit_code == 0

    assert aws.calls()[before:] == expected(calls, *OLD, version="2")


def test_a_function_is_made_as_asked(deploy: Run, aws: Any) -> None:
    result = deploy(*EVERYTHING, "--env", "A1=b=c")

    assert result.exit_code == 0, result.output
    function = aws.function()
    configuration = function["Configuration"]
    assert (configuration["PackageType"], function["Code"]["ImageUri"]) == ("Image", f"{aws.registry}:1")
    assert (configuration["MemorySize"], configuration["Timeout"], configuration["Role"]) == (1769, 30, aws.role)
    assert configuration["EphemeralStorage"] == {"Size": 1024}
    assert configuration["Environment"]["Variables"] == {"SDNN_ENGINE": "openvino", "A1": "b=c"}
    assert configuration["Architectures"] == ["x86_64"]
    assert aws.function(qualifier="$LATEST")["Concurrency"] == {"ReservedConcurrentExecutions": 9}
    alias = {"FunctionName": "half", "Qualifier": "live"}
    provisioned = aws.functions.get_provisioned_concurrency_config(**alias)
    assert provisioned["RequestedProvisionedConcurrentExecutions"] == 2


def test_a_url_for_iam_lets_nobody_else_in(deploy: Run, aws: Any) -> None:
    deploy()

    assert aws.access() == "AWS_IAM"
    assert aws.statements() == []


def test_a_public_url_lets_everybody_in_through_the_url_alone(deploy: Run, aws: Any) -> None:
    deploy("--function-url", "public")

    assert aws.access() == "NONE"
    statements = {statement["Action"]: statement for statement in aws.statements()}
    assert set(statements) == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert all(statement["Principal"] == "*" for statement in statements.values())
    assert all(statement["Resource"].endswith(":live") for statement in statements.values())
    assert statements["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"
    assert statements["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True


def test_a_public_url_is_closed_before_its_permissions_go(deploy: Run, aws: Any) -> None:
    deploy("--function-url", "public")

    assert deploy("--function-url", "iam").exit_code == 0

    assert aws.access() == "AWS_IAM"
    assert aws.statements() == []
    operations = aws.operations()
    assert operations.index("UpdateFunctionUrlConfig") < operations.index("RemovePermission")


def test_a_url_is_opened_and_stays_the_same(deploy: Run, aws: Any) -> None:
    first = deploy().stdout.splitlines()[1]

    second = deploy("--function-url", "public").stdout.splitlines()[1]

    assert first == second
    assert len(aws.statements()) == 2
    assert deploy("--function-url", "public").exit_code == 0
    assert len(aws.statements()) == 2


def test_without_a_url_an_earlier_one_is_deleted(deploy: Run, aws: Any) -> None:
    deploy("--function-url", "public")

    result = deploy("--function-url", "none")

    assert "without a URL" in result.stdout
    assert aws.statements() == []
    with pytest.raises(aws.functions.exceptions.ResourceNotFoundException):
        aws.access()


def test_a_second_deployment_moves_the_alias_once_the_new_version_is_ready(deploy: Run, aws: Any) -> None:
    deploy(*EVERYTHING)

    result = deploy("--memory-mb", "512", tag="2")

    assert result.exit_code == 0, result.output
    function = aws.function()
    assert (function["Code"]["ImageUri"], function["Configuration"]["Version"]) == (f"{aws.registry}:2", "2")
    assert (function["Configuration"]["MemorySize"], function["Configuration"]["Timeout"]) == (512, 60)
    assert function["Configuration"].get("Environment", {}).get("Variables", {}) == {}
    assert "version 2 is active and live" in result.stdout
    assert "--name live --function-version 1" in result.stdout
    operations = aws.operations()
    assert operations.count("CreateFunction") == operations.count("CreateAlias") == 1
    assert operations[::-1].index("UpdateAlias") < operations[::-1].index("PublishVersion")


def test_what_a_deployment_no_longer_asks_for_is_removed(deploy: Run, aws: Any) -> None:
    deploy(*EVERYTHING)

    deploy()

    assert "Concurrency" not in aws.function(qualifier="$LATEST")
    with pytest.raises(aws.functions.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        aws.functions.get_provisioned_concurrency_config(FunctionName="half", Qualifier="live")


def test_each_change_is_waited_for(deploy: Run, aws: Any) -> None:
    aws.be_slow(1)

    created = deploy("--provisioned-concurrency", "1")
    updated = deploy(tag="2")

    assert (created.exit_code, updated.exit_code) == (0, 0), created.output + updated.output
    assert "half is Pending" in created.stderr
    assert "half is IN_PROGRESS" in created.stderr
    assert updated.stderr.count("half is InProgress") == 2
    assert "at another change" not in created.stderr + updated.stderr


def test_no_wait_leaves_provisioned_instances_to_lambda(deploy: Run, aws: Any) -> None:
    aws.be_slow(1)

    result = deploy("--provisioned-concurrency", "1", "--no-wait")

    assert result.exit_code == 0, result.output
    alias = {"FunctionName": "half", "Qualifier": "live"}
    assert aws.functions.get_provisioned_concurrency_config(**alias)["Status"] == "IN_PROGRESS"


@pytest.mark.parametrize("operation", ["update_function_code", "update_function_configuration", "publish_version"])
def test_a_function_in_use_is_changed_once_the_other_change_is_over(deploy: Run, aws: Any, operation: str) -> None:
    deploy()
    aws.change_before(operation)

    result = deploy("--memory-mb", "512", tag="2")

    assert result.exit_code == 0, result.output
    assert "Lambda is still at another change of half; waiting until that is over" in result.stderr
    assert aws.function()["Configuration"]["MemorySize"] == 512


def test_it_prints_how_to_call_the_function(deploy: Run, aws: Any) -> None:
    result = deploy("--env", "SDNN_MODEL_NAME=mobilenet")

    assert "3008 MB is 1.70 vCPU (one per 1,769 MB)" in result.stderr
    url = aws.functions.get_function_url_config(FunctionName="half", Qualifier="live")["FunctionUrl"].rstrip("/")
    program = result.stdout[result.stdout.index("import numpy") : result.stdout.index("from a shell")]
    compile(program, "printed", "exec")
    assert f'connect("{url}", "mobilenet", options)' in program
    assert 'sign_requests=True, aws_region="eu-west-1"' in program
    assert f'{url}/v1/models/mobilenet:predict --aws-sigv4 "aws:amz:eu-west-1:lambda"' in result.stdout


def test_without_a_url_it_prints_how_to_invoke_it(deploy: Run, aws: Any) -> None:
    result = deploy("--function-url", "none")

    assert f'connect("lambda+{aws.url}/half:live", "MODEL", options)' in result.stdout
    assert "aws lambda invoke --region eu-west-1 --function-name half:live" in result.stdout


def test_delete_removes_url_permissions_and_function_and_nothing_of_others(deploy: Run, run: Run, aws: Any) -> None:
    deploy("--function-url", "public")
    deploy("--function-url", "public", tag="2")
    deploy(name="half-life")
    calls = planned(run("delete", "half", "--dry-run"))
    before = len(aws.calls())

    result = run("delete", "half", AWS_REGION=aws.region)

    assert result.exit_code == 0, result.output
    assert aws.names() == ["half-life"]
    assert aws.calls()[before:-1] == expected(calls, *OLD, "its policy has", version="")
    assert "delete-log-group --region eu-west-1 --log-group-name /aws/lambda/half" in result.stdout


def test_delete_of_nothing_says_where_to_look(run: Run, aws: Any) -> None:
    result = run("delete", "half", "--region", aws.region)

    assert result.exit_code == 1
    assert "there is no function half: check --region and AWS_PROFILE" in result.stderr
