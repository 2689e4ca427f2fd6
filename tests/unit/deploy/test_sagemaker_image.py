"""The image of the SageMaker server names what the server reads and has, and keeps SageMaker's contract."""

import json
import re

import pytest
from image_files import FLAVOURS, ROOT, ImageFiles

from serverless_dnn.runtime.model_servers.binary import TENSORFLOW_MODEL_SERVER
from serverless_dnn.runtime.options import from_values, options_of, values_from_environment
from serverless_dnn.runtime.settings import EngineOptions, ServerSettings, TransferOptions
from serverless_dnn.sagemaker_tfserving.cli import MODEL_FOLDER, MODELS_FOLDER, main
from serverless_dnn.sagemaker_tfserving.options import SageMakerOptions

IMAGE = ImageFiles(ROOT / "servers" / "sagemaker_tfserving")
VARIABLES = {
    row.variable
    for settings in (ServerSettings, EngineOptions, TransferOptions, SageMakerOptions)
    for _, row in options_of(settings)
}


def test_serve_is_the_argument_sagemaker_gives_and_the_default() -> None:
    assert json.loads(IMAGE.instruction("CMD")) == ["serve"]
    assert "serve" in main.commands


def test_labels_say_that_ports_are_taken_from_sagemaker_and_models_are_loaded_by_it() -> None:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/build-multi-model-build-container.html
    labels = IMAGE.pairs("LABEL")
    assert labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert labels["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"
    read = {row.variable for _, row in options_of(SageMakerOptions)}
    assert {"SAGEMAKER_BIND_TO_PORT", "SAGEMAKER_MULTI_MODEL", "SAGEMAKER_SAFE_PORT_RANGE"} <= read


def test_the_commit_is_a_label_given_by_the_build() -> None:
    assert "org.opencontainers.image.revision=${REVISION}" in IMAGE.instruction("LABEL")
    assert re.search(r"^ARG REVISION$", IMAGE.dockerfile, re.MULTILINE)


def test_every_variable_set_is_one_the_server_reads() -> None:
    ours = {name for name in IMAGE.environment() if name.startswith(("SDNN_", "SAGEMAKER_"))}
    assert ours
    assert ours <= VARIABLES


def test_the_server_takes_the_values_of_the_image() -> None:
    variables = IMAGE.environment()
    settings = ServerSettings.from_environment(variables, default_base_path=MODEL_FOLDER)
    options = from_values(SageMakerOptions, values_from_environment(SageMakerOptions, variables))
    # The one engine in either variant, and the only name under which a tensorflow_model_server in the image is taken.
    assert settings.engine.name == "auto"
    assert options.binary is None
    assert str(settings.engine.cache_folder) == "/cache"
    assert int(IMAGE.instruction("EXPOSE")) == options.port


def test_models_are_where_the_server_looks_unless_a_multi_model_endpoint_says_otherwise() -> None:
    # Set, it would hold for multi-model endpoints too, whose models lie elsewhere.
    assert "SDNN_MODEL_BASE_PATH" not in IMAGE.environment()
    assert MODELS_FOLDER != MODEL_FOLDER
    assert f"COPY --from=models-chosen /models {MODEL_FOLDER}\n" in IMAGE.dockerfile
    assert f"COPY --from=build {MODEL_FOLDER.parent} {MODEL_FOLDER.parent}\n" in IMAGE.dockerfile


def test_neither_a_model_nor_tensorflow_serving_is_in_the_image_by_default() -> None:
    defaults = dict(re.findall(r"^ARG (MODEL_DIR|SERVING)(.*)$", IMAGE.dockerfile, re.MULTILINE))
    assert defaults == {"MODEL_DIR": "", "SERVING": ""}
    stages = dict(re.findall(r"^FROM (\S+) AS (\S+)$", IMAGE.dockerfile, re.MULTILINE))
    assert stages["${SERVING:-without-serving}"] == "serving"
    assert stages["models${MODEL_DIR:+-given}"] == "models-chosen"
    assert {"without-serving", "models", "models-given"} <= set(
        re.findall(r" AS (\S+)$", IMAGE.dockerfile, re.MULTILINE)
    )


def test_the_binary_of_tensorflow_serving_lies_on_the_path_under_the_name_that_is_looked_up() -> None:
    (folder,) = re.findall(rf"cp /serving/usr/bin/{TENSORFLOW_MODEL_SERVER} (\S+)/ ", IMAGE.dockerfile)
    assert folder in IMAGE.environment()["PATH"].split(":")


def test_others_may_read_whatever_the_image_takes_from_its_build() -> None:
    taken = re.findall(r"^COPY --from=build (?:--\S+ )?(\S+)", IMAGE.dockerfile, re.MULTILINE)
    (opened,) = re.findall(r"^RUN find (.*?) !.*-exec chmod o\+rX", IMAGE.dockerfile, re.MULTILINE)
    assert sorted(taken) == sorted(opened.split())
    assert IMAGE.dockerfile.index("chmod o+rX") > IMAGE.dockerfile.index("compile_models")


def test_nothing_says_whom_to_run_as_for_sagemaker_does() -> None:
    assert not re.search(r"^USER\b", IMAGE.dockerfile, re.MULTILINE)
    # As root or as another, the one folder that is always writable is /tmp.
    assert IMAGE.environment()["HOME"] == "/tmp"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_lock_holds_what_scripts_and_model_servers_need(flavour: str) -> None:
    names = IMAGE.locked(flavour)
    assert {"pip", "requests", "grpcio"} <= set(names)
    # SAGEMAKER_TFS_INSTANCE_COUNT=2 runs sdnn-model-server, which needs these.
    assert {"prometheus-client", "waitress"} <= set(names)
