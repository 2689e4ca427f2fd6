"""The SAM template through SAM's own translator, as CloudFormation gets it."""

from pathlib import Path
from typing import Any

import boto3
import pytest

pytest.importorskip("samtranslator", reason="it has an environment of its own: hatch run aws:test")

TEMPLATE = Path(__file__).resolve().parents[3] / "servers" / "lambda_rest" / "deploy" / "template.yaml"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dnn:1"


@pytest.fixture(scope="module")
def translated() -> dict[str, Any]:
    """The template's resources for CloudFormation."""
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    given = {name: each["Default"] for name, each in template["Parameters"].items() if "Default" in each}
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="eu-west-1"))
    return dict(translator.translate(template, {**given, "ImageUri": IMAGE})["Resources"])


def of_type(resources: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [each for each in resources.values() if each["Type"] == f"AWS::Lambda::{name}"]


def test_the_url_is_the_alias_s_and_open_only_if_asked(translated: dict[str, Any]) -> None:
    (url,) = of_type(translated, "Url")
    assert url["Properties"] == {
        "TargetFunctionArn": {"Ref": "ServerAliaslive"},
        "AuthType": {"Fn::If": ["IsPublic", "NONE", "AWS_IAM"]},
    }


def test_everybody_is_allowed_only_if_asked_and_by_the_url_alone(translated: dict[str, Any]) -> None:
    permissions = of_type(translated, "Permission")
    assert {each["Condition"] for each in permissions} == {"IsPublic"}
    assert {each["Properties"]["FunctionName"]["Ref"] for each in permissions} == {"ServerAliaslive"}
    bound = {each["Properties"]["Action"]: each["Properties"] for each in permissions}
    assert bound["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"
    assert bound["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True


def test_the_alias_leads_to_a_version_of_the_function(translated: dict[str, Any]) -> None:
    (alias,) = of_type(translated, "Alias")
    version, attribute = alias["Properties"]["FunctionVersion"]["Fn::GetAtt"]
    assert attribute == "Version"
    assert translated[version]["Properties"] == {"FunctionName": {"Ref": "Server"}}
    assert alias["Properties"]["ProvisionedConcurrencyConfig"]["Fn::If"][0] == "IsProvisioned"


def test_the_function_is_the_image_with_the_role_of_the_template(translated: dict[str, Any]) -> None:
    (function,) = of_type(translated, "Function")
    given = function["Properties"]
    assert (given["PackageType"], given["Code"]) == ("Image", {"ImageUri": IMAGE})
    assert given["Role"] == {"Fn::GetAtt": ["Role", "Arn"]}
    # SAM makes a role with wider rights where the template gives none.
    assert [each["Type"] for each in translated.values()].count("AWS::IAM::Role") == 1
