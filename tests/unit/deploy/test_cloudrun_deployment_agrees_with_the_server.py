"""The image and the deployment files of the Cloud Run server name what the server really reads and has."""

import json
import re
from pathlib import Path

import pytest
import yaml
from image_files import ROOT, ImageFiles

from serverless_dnn.cloudrun_grpc.options import CloudRunOptions
from serverless_dnn.runtime.options import from_values, options_of, values_from_environment
from serverless_dnn.runtime.settings import EngineOptions, GrpcSettings, ServerSettings

SERVER = ROOT / "servers" / "cloudrun_grpc"
IMAGE = ImageFiles(SERVER)
SERVICE = yaml.safe_load((SERVER / "deploy" / "service.yaml").read_text(encoding="utf-8"))
REVISION = SERVICE["spec"]["template"]
CONTAINER = REVISION["spec"]["containers"][0]
VARIABLES = {
    row.variable
    for settings in (ServerSettings, EngineOptions, GrpcSettings, CloudRunOptions)
    for _, row in options_of(settings)
}


def test_service_is_grpc_on_the_port_of_the_image_and_the_probes() -> None:
    assert (SERVICE["apiVersion"], SERVICE["kind"]) == ("serving.knative.dev/v1", "Service")
    (port,) = CONTAINER["ports"]
    assert port["name"] == "h2c"
    image_port = int(IMAGE.environment()["PORT"])
    assert {port["containerPort"], int(IMAGE.instruction("EXPOSE")), image_port} == {image_port}
    for probe in ("startupProbe", "livenessProbe"):
        # An empty service is the server as a whole; a name the server does not know would never be SERVING.
        assert CONTAINER[probe]["grpc"] == {"port": image_port}


def test_probes_are_within_what_cloud_run_allows() -> None:
    startup, liveness = CONTAINER["startupProbe"], CONTAINER["livenessProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] <= 240
    assert all(probe["timeoutSeconds"] <= probe["periodSeconds"] for probe in (startup, liveness))


def test_knative_annotations_are_texts() -> None:
    annotations = {**SERVICE["metadata"]["annotations"], **REVISION["metadata"]["annotations"]}
    assert all(isinstance(value, str) for value in annotations.values())


@pytest.mark.parametrize("source", ["image", "service", "terraform"])
def test_every_variable_set_is_one_the_server_reads(source: str) -> None:
    names = {
        "image": set(IMAGE.environment()),
        "service": {variable["name"] for variable in CONTAINER["env"]},
        "terraform": set(re.findall(r'name\s+= "(SDNN_\w+)"', (SERVER / "deploy" / "main.tf").read_text("utf-8"))),
    }[source]
    ours = {name for name in names if name.startswith("SDNN_")}
    assert ours
    assert ours <= VARIABLES


def test_the_server_takes_the_values_of_image_and_service() -> None:
    values = IMAGE.environment()
    built = ServerSettings.from_environment(values)
    variables = values | {entry["name"]: entry["value"] for entry in CONTAINER["env"]}
    deployed = ServerSettings.from_environment(variables)
    grpc_settings = from_values(GrpcSettings, values_from_environment(GrpcSettings, variables))
    # A compiled model fits only the precision it was compiled for.
    assert deployed.engine == built.engine
    assert built.engine.cache_folder == Path("/cache")
    assert grpc_settings.concurrency == REVISION["spec"]["containerConcurrency"]


def test_terraform_uses_the_variables_it_declares_and_defaults_to_the_same_service() -> None:
    main_tf = (SERVER / "deploy" / "main.tf").read_text(encoding="utf-8")
    variables = (SERVER / "deploy" / "variables.tf").read_text(encoding="utf-8")
    assert set(re.findall(r"\bvar\.(\w+)", main_tf)) == set(re.findall(r'^variable "(\w+)"', variables, re.MULTILINE))
    defaults = {
        name: json.loads(value)
        for name, value in re.findall(r'^variable "(\w+)" \{[^}]*?default\s+= (".*?"|\d+)$', variables, re.MULTILINE)
    }
    limits, scale = CONTAINER["resources"]["limits"], REVISION["metadata"]["annotations"]
    assert defaults["name"] == SERVICE["metadata"]["name"]
    assert (str(defaults["cpu"]), defaults["memory"]) == (limits["cpu"], limits["memory"])
    assert defaults["concurrency"] == REVISION["spec"]["containerConcurrency"]
    assert defaults["timeout_s"] == REVISION["spec"]["timeoutSeconds"]
    assert str(defaults["min_instances"]) == scale["autoscaling.knative.dev/minScale"]
    assert str(defaults["max_instances"]) == scale["autoscaling.knative.dev/maxScale"]


def test_the_server_does_not_run_as_root() -> None:
    user, group = IMAGE.instruction("USER").split(":")
    assert int(user) > 0
    assert int(group) > 0
