"""The image of the Lambda function names what the function reads and has, and keeps Lambda's contract."""

import re
from pathlib import Path

import pytest
from image_files import FLAVOURS, ROOT, ImageFiles

from serverless_dnn.lambda_rest.options import LambdaOptions, default_model_folder
from serverless_dnn.runtime.options import from_values, options_of, values_from_environment
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings, TransferOptions

IMAGE = ImageFiles(ROOT / "servers" / "lambda_rest")
VARIABLES = {
    row.variable
    for settings in (ServerSettings, EngineOptions, TransferOptions, LambdaOptions)
    for _, row in options_of(settings)
}


def test_every_variable_set_is_one_the_function_reads() -> None:
    ours = {name for name in IMAGE.environment() if name.startswith("SDNN_")}
    assert ours
    assert ours <= VARIABLES


def test_the_function_takes_the_values_of_the_image() -> None:
    variables = IMAGE.environment()
    folder = default_model_folder({})
    settings = ServerSettings.from_environment(variables, default_base_path=folder)
    options = from_values(LambdaOptions, values_from_environment(LambdaOptions, variables))

    assert settings.engine.name == "auto"
    assert settings.engine.cache_folder == Path("/cache")
    assert options.model_server == "in-process"
    assert f"COPY ${{MODEL_DIR}} {folder}\n" in IMAGE.dockerfile


def test_nothing_is_written_but_to_tmp_by_a_user_without_rights() -> None:
    user, group = IMAGE.instruction("USER").split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert IMAGE.environment()["HOME"] == "/tmp"
    taken = re.findall(r"^COPY --from=build (?:--\S+ )?(\S+)", IMAGE.dockerfile, re.MULTILINE)
    (opened,) = re.findall(r"compile_models\s+&& chmod -R a\+rX (.*)$", IMAGE.dockerfile, re.MULTILINE)
    # What pip installs, anyone may read.
    assert set(taken) - {"/app"} == set(opened.split())


def test_the_build_uses_only_commands_that_the_bases_of_aws_have() -> None:
    # https://github.com/aws/aws-lambda-base-images/issues/196
    instructions = re.sub(r"^#.*$", "", IMAGE.dockerfile, flags=re.MULTILINE)
    assert not re.search(r"\b(find|xargs)\s", instructions)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_lock_holds_lambdas_runtime_client_and_what_model_servers_need(flavour: str) -> None:
    names = set(IMAGE.locked(flavour))
    assert {"awslambdaric", "pybase64"} <= names
    assert {"grpcio", "prometheus-client", "waitress"} <= names
    # Neither what deploys the function nor what serves it locally.
    assert not {"boto3", "flask"} & names
