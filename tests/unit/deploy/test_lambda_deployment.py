"""Lambda's Terraform files and SAM template: the same function as the command's, with variables that the server reads."""

import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from cfnlint.decode import decode
from terraform_files import TerraformFiles

from serverless_dnn.lambda_rest.deployment.options import (
    EPHEMERAL_STORAGE_MB,
    MEMORY_MB,
    TIMEOUT_S,
    Architecture,
    Deployment,
    FunctionUrl,
)
from serverless_dnn.lambda_rest.deployment.plan import ALIAS, deployment_steps
from serverless_dnn.lambda_rest.options import LambdaOptions
from serverless_dnn.runtime.options import options_of
from serverless_dnn.runtime.settings import EngineName, EngineOptions, ServerSettings, TransferOptions

FOLDER = Path(__file__).resolve().parents[3] / "servers" / "lambda_rest" / "deploy"
TEMPLATE_FILE = FOLDER / "template.yaml"
TEMPLATE: dict[str, Any] = decode(str(TEMPLATE_FILE))[0]
PARAMETERS, RESOURCES = TEMPLATE["Parameters"], TEMPLATE["Resources"]
FUNCTION = RESOURCES["Server"]["Properties"]
READ = {
    row.variable
    for each in (ServerSettings, EngineOptions, TransferOptions, LambdaOptions)
    for _, row in options_of(each)
}
PUBLIC = Deployment(
    "half",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dnn:1",
    "arn:aws:iam::123456789012:role/serving",
    function_url="public",
)
# The arguments of the provider's documentation (registry.terraform.io/providers/hashicorp/aws/latest/docs), blocks with
# their own.
LEGAL: dict[str, Any] = {
    "aws_lambda_function": {
        **dict.fromkeys(
            ("function_name", "role", "package_type", "image_uri", "memory_size", "timeout", "architectures")
        ),
        **dict.fromkeys(("publish", "reserved_concurrent_executions", "description", "kms_key_arn", "tags", "layers")),
        "environment": dict.fromkeys(("variables",)),
        "ephemeral_storage": dict.fromkeys(("size",)),
        "image_config": dict.fromkeys(("command", "entry_point", "working_directory")),
        "logging_config": dict.fromkeys(("application_log_level", "log_format", "log_group", "system_log_level")),
    },
    "aws_lambda_alias": dict.fromkeys(("name", "function_name", "function_version", "description", "routing_config")),
    "aws_lambda_function_url": dict.fromkeys(
        ("function_name", "qualifier", "authorization_type", "cors", "invoke_mode")
    ),
    "aws_lambda_permission": {
        **dict.fromkeys(("statement_id", "statement_id_prefix", "function_name", "qualifier", "principal", "action")),
        **dict.fromkeys(("function_url_auth_type", "invoked_via_function_url", "source_account", "source_arn")),
    },
    "aws_lambda_provisioned_concurrency_config": dict.fromkeys(
        ("function_name", "qualifier", "provisioned_concurrent_executions", "skip_destroy")
    ),
    "aws_cloudwatch_log_group": dict.fromkeys(("name", "name_prefix", "retention_in_days", "kms_key_id", "tags")),
    "aws_iam_role": dict.fromkeys(
        ("name", "name_prefix", "assume_role_policy", "path", "permissions_boundary", "tags")
    ),
    "aws_iam_role_policy": dict.fromkeys(("name", "name_prefix", "role", "policy")),
    "aws_ecr_repository": {
        **dict.fromkeys(("name", "image_tag_mutability", "encryption_configuration", "force_delete", "tags")),
        "image_scanning_configuration": dict.fromkeys(("scan_on_push",)),
    },
    "aws_iam_policy_document": {
        "statement": {
            **dict.fromkeys(("sid", "effect", "actions", "resources")),
            "principals": dict.fromkeys(("type", "identifiers")),
            "condition": dict.fromkeys(("test", "variable", "values")),
        }
    },
    "aws_partition": {},
}
DEFAULTS = {field.name: field.default for field in fields(Deployment)}


@pytest.fixture(scope="module")
def files() -> TerraformFiles:
    return TerraformFiles(FOLDER)


def parameter(name: str) -> dict[str, Any]:
    """A parameter of the template, by its name in Terraform."""
    found: dict[str, Any] = PARAMETERS["".join(word.capitalize() for word in name.split("_"))]
    return found


def test_cloudformation_s_own_linter_has_nothing_to_say() -> None:
    done = subprocess.run(["cfn-lint", TEMPLATE_FILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_argument_is_one_that_the_provider_has(files: TerraformFiles) -> None:
    assert set(LEGAL) == {place.split(".")[0] for kind in ("resource", "data") for place in files.blocks(kind)}
    assert files.unknown_arguments(LEGAL) == []


def test_every_reference_leads_to_something(files: TerraformFiles) -> None:
    assert files.dangling_references() == set()


@pytest.mark.parametrize("name", ["memory_mb", "timeout_s", "architecture", "function_url", "ephemeral_storage_mb"])
def test_defaults_are_those_of_the_command(files: TerraformFiles, name: str) -> None:
    assert files.variables[name]["default"] == parameter(name)["Default"] == DEFAULTS[name]


def test_nothing_is_reserved_or_provisioned_unasked(files: TerraformFiles) -> None:
    assert (DEFAULTS["provisioned_concurrency"], DEFAULTS["reserved_concurrency"]) == (None, None)
    assert files.variables["provisioned_concurrency"]["default"] is None
    # The provider's word for none.
    assert files.variables["reserved_concurrency"]["default"] == parameter("reserved_concurrency")["Default"] == -1
    assert parameter("provisioned_concurrency")["Default"] == 0


@pytest.mark.parametrize(
    ("name", "bounds"),
    [("memory_mb", MEMORY_MB), ("timeout_s", TIMEOUT_S), ("ephemeral_storage_mb", EPHEMERAL_STORAGE_MB)],
)
def test_limits_are_those_of_the_command(files: TerraformFiles, name: str, bounds: tuple[int, int]) -> None:
    assert files.limits(name) == [str(bound) for bound in bounds]
    assert (parameter(name)["MinValue"], parameter(name)["MaxValue"]) == bounds


def test_choices_are_those_of_the_command(files: TerraformFiles) -> None:
    assert files.limits("architecture") == [f'"{choice}"' for choice in get_args(Architecture)]
    assert parameter("architecture")["AllowedValues"] == list(get_args(Architecture))
    assert files.limits("function_url") == [f'"{choice}"' for choice in get_args(FunctionUrl)]
    # SAM takes no condition around a FunctionUrlConfig.
    assert parameter("function_url")["AllowedValues"] == [
        choice for choice in get_args(FunctionUrl) if choice != "none"
    ]


def test_every_variable_set_is_one_the_server_reads(files: TerraformFiles) -> None:
    in_terraform = set(re.findall(r"^\s+(SDNN_\w+)\s+=", files.texts["main.tf"], re.MULTILINE))
    in_template = set(FUNCTION["Environment"]["Variables"])
    assert in_terraform == in_template
    assert in_terraform
    assert in_terraform <= READ


def test_unset_variables_are_left_to_the_image(files: TerraformFiles) -> None:
    for name in ("model_name", "engine", "metrics"):
        assert files.variables[name]["default"] is None
        assert parameter(name)["Default"] == ""
    assert parameter("engine")["AllowedValues"] == ["", *get_args(EngineName)]
    for value in FUNCTION["Environment"]["Variables"].values():
        condition, given, otherwise = value["Fn::If"]
        assert otherwise == {"Ref": "AWS::NoValue"}
        (negated,) = TEMPLATE["Conditions"][condition]["Fn::Not"]
        assert negated == {"Fn::Equals": [given, ""]}


def test_everybody_is_allowed_what_the_command_allows(files: TerraformFiles) -> None:
    allowed = [step.parameters for step in deployment_steps(PUBLIC) if step.operation == "AddPermission"]
    in_template = [each for each in RESOURCES.values() if each["Type"] == "AWS::Lambda::Permission"]
    assert all(each["Condition"] == "IsPublic" for each in in_template)
    assert [
        {name: value for name, value in each["Properties"].items() if name != "FunctionName"} for each in in_template
    ] == [
        {name: value for name, value in each.items() if name not in ("FunctionName", "Qualifier", "StatementId")}
        for each in allowed
    ]
    names = {
        "statement_id": "StatementId",
        "principal": "Principal",
        "action": "Action",
        "function_url_auth_type": "FunctionUrlAuthType",
        "invoked_via_function_url": "InvokedViaFunctionUrl",
    }
    in_terraform = [files.resource(f"aws_lambda_permission.{name}") for name in ("public_url", "public_invoke")]
    for block, given in zip(in_terraform, allowed, strict=True):
        assert block["count"] == '${var.function_url == "public" ? 1 : 0}'
        told = {names[name]: value for name, value in block.items() if name in names}
        assert told == {name: value for name, value in given.items() if name not in ("FunctionName", "Qualifier")}


def test_callers_reach_the_alias(files: TerraformFiles) -> None:
    assert files.resource("aws_lambda_alias.live")["name"] == FUNCTION["AutoPublishAlias"] == ALIAS
    assert files.resource("aws_lambda_function.server")["publish"] is True
    for place in ("function_url.server", "permission.public_url", "permission.public_invoke"):
        assert files.resource(f"aws_lambda_{place}")["qualifier"] == "${aws_lambda_alias.live.name}"
    assert files.resource("aws_lambda_provisioned_concurrency_config.server")["qualifier"] == (
        "${aws_lambda_alias.live.name}"
    )
    assert all(
        each["Properties"]["FunctionName"] == {"Ref": "Server.Alias"}
        for each in RESOURCES.values()
        if each["Type"] == "AWS::Lambda::Permission"
    )
    assert f":{ALIAS}" in TEMPLATE["Outputs"]["InvokeUrl"]["Value"]["Fn::Sub"]


def test_the_role_may_write_its_own_log_and_no_more(files: TerraformFiles) -> None:
    needed = ["logs:CreateLogStream", "logs:PutLogEvents"]
    documents = files.blocks("data")
    (statement,) = documents["aws_iam_policy_document.log"]["statement"]
    assert (statement["actions"], statement["resources"]) == (needed, ["${aws_cloudwatch_log_group.server.arn}:*"])
    (statement,) = documents["aws_iam_policy_document.trust"]["statement"]
    assert statement["principals"][0]["identifiers"] == ["lambda.amazonaws.com"]
    role = RESOURCES["Role"]["Properties"]
    assert "ManagedPolicyArns" not in role
    (policy,) = role["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == (needed, {"Fn::GetAtt": ["Log", "Arn"]})


def test_the_log_is_where_lambda_writes_it_and_does_not_stay_for_ever(files: TerraformFiles) -> None:
    assert files.resource("aws_cloudwatch_log_group.server")["name"] == "/aws/lambda/${var.name}"
    assert RESOURCES["Log"]["Properties"]["LogGroupName"] == {"Fn::Sub": "/aws/lambda/${Name}"}
    assert files.variables["log_retention_days"]["default"] == parameter("log_retention_days")["Default"] > 0


def test_the_repository_is_optional(files: TerraformFiles) -> None:
    assert files.variables["repository"]["default"] is None
    assert files.resource("aws_ecr_repository.server")["count"] == "${var.repository == null ? 0 : 1}"
