"""SageMaker's Terraform files: attributes that the provider has, the limits of the command, variables the server reads."""

import re
from pathlib import Path
from typing import Any

import hcl2
import pytest

from serverless_dnn.runtime.options import from_values, options_of, values_from_environment
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings
from serverless_dnn.sagemaker_tfserving.deployment.options import MEMORY_SIZES_MB, MOST_CONCURRENCY, ServerlessSize
from serverless_dnn.sagemaker_tfserving.options import SageMakerOptions

FOLDER = Path(__file__).resolve().parents[3] / "servers" / "sagemaker_tfserving" / "deploy"
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.tf")}
META = {"count", "depends_on", "lifecycle"}
# The arguments of the provider's documentation (registry.terraform.io/providers/hashicorp/aws/latest/docs), blocks with
# their own.
LEGAL: dict[str, Any] = {
    "aws_sagemaker_model": {
        **dict.fromkeys(("name", "execution_role_arn", "container", "enable_network_isolation", "vpc_config", "tags")),
        "primary_container": dict.fromkeys(
            (
                "image",
                "mode",
                "model_data_url",
                "model_package_name",
                "container_hostname",
                "environment",
                "image_config",
            )
        ),
    },
    "aws_sagemaker_endpoint_configuration": {
        **dict.fromkeys(
            ("name", "name_prefix", "kms_key_arn", "data_capture_config", "async_inference_config", "tags")
        ),
        "production_variants": {
            **dict.fromkeys(("variant_name", "model_name", "instance_type", "initial_instance_count")),
            "serverless_config": dict.fromkeys(("memory_size_in_mb", "max_concurrency", "provisioned_concurrency")),
        },
    },
    "aws_sagemaker_endpoint": dict.fromkeys(("name", "endpoint_config_name", "deployment_config", "tags")),
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
            **dict.fromkeys(("sid", "effect", "actions", "not_actions", "resources", "not_resources")),
            "principals": dict.fromkeys(("type", "identifiers")),
            "condition": dict.fromkeys(("test", "variable", "values")),
        }
    },
    "aws_caller_identity": {},
    "aws_partition": {},
}
# What the role of SageMaker's own SDK for serving allows (sagemaker.core.helper.iam_policies), but for model packages.
NEEDED = {
    *("s3:GetObject", "s3:ListBucket", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"),
    *("ecr:BatchCheckLayerAvailability", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
}


def plain(value: Any) -> Any:
    """A parsed value without the parser's marks."""
    if isinstance(value, dict):
        return {plain(name): plain(inner) for name, inner in value.items() if not name.startswith("__")}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value[1:-1] if isinstance(value, str) and value[:1] == value[-1:] == '"' else value


def blocks(kind: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Type, name and body of every resource, or of every data source."""
    found = [each for text in TEXTS.values() for each in plain(hcl2.loads(text)).get(kind, [])]
    return [
        (type_name, name, body) for each in found for type_name, inner in each.items() for name, body in inner.items()
    ]


def block(type_name: str) -> dict[str, Any]:
    (body,) = [body for each, _, body in blocks("resource") if each == type_name]
    return body


VARIABLES = {name: body for each in plain(hcl2.loads(TEXTS["variables.tf"]))["variable"] for name, body in each.items()}


def check_legal(body: dict[str, Any], legal: dict[str, Any], where: str) -> None:
    for name, value in body.items():
        assert name in legal or name in META, f"{where} has no argument {name}"
        inner = legal.get(name)
        for each in value if inner else []:
            check_legal(each, inner, f"{where}.{name}")


@pytest.mark.parametrize("kind", ["resource", "data"])
def test_every_argument_is_one_that_the_provider_has(kind: str) -> None:
    found = blocks(kind)
    assert found
    for type_name, name, body in found:
        check_legal(body, LEGAL[type_name], f"{type_name}.{name}")


def test_every_reference_leads_to_something() -> None:
    declared = {f"{type_name}.{name}" for type_name, name, _ in blocks("resource")}
    declared |= {f"data.{type_name}.{name}" for type_name, name, _ in blocks("data")}
    code = "\n".join(re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE) for text in TEXTS.values())
    assert set(re.findall(r"\b(?:data\.)?aws_\w+\.\w+", code)) <= declared
    assert set(re.findall(r"\bvar\.(\w+)", TEXTS["main.tf"])) == set(VARIABLES)
    (local_values,) = plain(hcl2.loads(TEXTS["main.tf"]))["locals"]
    assert set(re.findall(r"\blocal\.(\w+)", code)) == set(local_values)


def test_limits_and_defaults_are_those_of_the_command() -> None:
    memory, concurrency = VARIABLES["memory_mb"], VARIABLES["max_concurrency"]
    assert (memory["default"], concurrency["default"]) == (ServerlessSize().memory_mb, ServerlessSize().max_concurrency)
    (validation,) = memory["validation"]
    assert re.findall(r"\d+", validation["condition"]) == [str(size) for size in MEMORY_SIZES_MB]
    (validation,) = concurrency["validation"]
    assert re.findall(r"\d+", validation["condition"]) == ["1", str(MOST_CONCURRENCY)]
    (validation,) = VARIABLES["provisioned_concurrency"]["validation"]
    assert str(MOST_CONCURRENCY) in validation["condition"]


def test_every_variable_set_is_one_the_server_reads_with_a_value_it_takes() -> None:
    (environment,) = re.findall(r"environment = merge\(var\.environment, \{(.*?)\}\)", TEXTS["main.tf"], re.DOTALL)
    names = set(re.findall(r"^\s*([A-Z][A-Z0-9_]+)\s*=", environment, re.MULTILINE))
    read = {row.variable for each in (ServerSettings, EngineOptions, SageMakerOptions) for _, row in options_of(each)}
    assert names == {"SDNN_CONCURRENCY"}
    assert names <= read
    default = str(VARIABLES["concurrency"]["default"])
    options = from_values(SageMakerOptions, values_from_environment(SageMakerOptions, {"SDNN_CONCURRENCY": default}))
    assert options == SageMakerOptions()


def test_the_server_listens_where_sagemaker_calls() -> None:
    # Nothing here says a port: SageMaker calls 8080.
    assert SageMakerOptions().port == 8080
    assert "SAGEMAKER_BIND_TO_PORT" not in "".join(TEXTS.values())


def test_the_role_may_do_what_serving_needs_and_no_more() -> None:
    (document,) = [body for _, name, body in blocks("data") if name == "serve"]
    assert {action for statement in document["statement"] for action in statement["actions"]} == NEEDED
    everywhere = [statement["actions"] for statement in document["statement"] if statement["resources"] == ["*"]]
    assert everywhere == [["ecr:GetAuthorizationToken"]]
    (trust,) = [body for _, name, body in blocks("data") if name == "trust"]
    ((statement,),) = [trust["statement"]]
    assert statement["principals"][0]["identifiers"] == ["sagemaker.amazonaws.com"]
    assert statement["condition"][0]["variable"] == "aws:SourceAccount"


def test_what_cannot_be_changed_is_replaced_without_a_gap() -> None:
    for type_name in ("aws_sagemaker_model", "aws_sagemaker_endpoint_configuration"):
        assert block(type_name)["lifecycle"][0]["create_before_destroy"] is True
    # Two of one name cannot be there at once.
    assert block("aws_sagemaker_model")["name"].endswith("${local.revision}")
    assert "name_prefix" in block("aws_sagemaker_endpoint_configuration")


def test_the_repository_is_optional() -> None:
    assert VARIABLES["repository"]["default"] is None
    assert block("aws_ecr_repository")["count"] == "${var.repository == null ? 0 : 1}"
