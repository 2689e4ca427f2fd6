"""The image and the deployment files of the Cloud Run server name what the server really reads and has."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from serverless_dnn.cloudrun_grpc.options import CloudRunOptions
from serverless_dnn.runtime.options import from_values, options_of, values_from_environment
from serverless_dnn.runtime.settings import EngineOptions, GrpcSettings, ServerSettings

ROOT = Path(__file__).resolve().parents[3]
SERVER = ROOT / "servers" / "cloudrun_grpc"
DOCKERFILE = (SERVER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
SERVICE = yaml.safe_load((SERVER / "deploy" / "service.yaml").read_text(encoding="utf-8"))
REVISION = SERVICE["spec"]["template"]
CONTAINER = REVISION["spec"]["containers"][0]
VARIABLES = {
    row.variable
    for settings in (ServerSettings, EngineOptions, GrpcSettings, CloudRunOptions)
    for _, row in options_of(settings)
}


def instruction(name: str) -> str:
    """The last instruction of a name."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)[-1].strip()


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in instruction("ENV").split())


def build_argument(name: str) -> str:
    return re.findall(rf"^ARG {name}=(\S+)$", DOCKERFILE, re.MULTILINE)[-1]


def locked(flavour: str) -> dict[str, str]:
    text = (SERVER / "requirements" / f"{flavour}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_service_is_grpc_on_the_port_of_the_image_and_the_probes() -> None:
    assert (SERVICE["apiVersion"], SERVICE["kind"]) == ("serving.knative.dev/v1", "Service")
    (port,) = CONTAINER["ports"]
    assert port["name"] == "h2c"
    image_port = int(image_environment()["PORT"])
    assert {port["containerPort"], int(instruction("EXPOSE")), image_port} == {image_port}
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
        "image": set(image_environment()),
        "service": {variable["name"] for variable in CONTAINER["env"]},
        "terraform": set(re.findall(r'name\s+= "(SDNN_\w+)"', (SERVER / "deploy" / "main.tf").read_text("utf-8"))),
    }[source]
    ours = {name for name in names if name.startswith("SDNN_")}
    assert ours
    assert ours <= VARIABLES


def test_the_server_takes_the_values_of_image_and_service() -> None:
    fill = {"FLAVOUR": "openvino", "PRECISION": build_argument("PRECISION")}
    values = {
        name: re.sub(r"\$\{(\w+)\}", lambda match: fill[match[1]], value) for name, value in image_environment().items()
    }
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


def test_entry_point_is_the_command_of_the_package_and_ends_at_sigterm() -> None:
    scripts = tomllib.loads((SERVER / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    (command,) = json.loads(instruction("ENTRYPOINT"))
    assert command in scripts
    assert instruction("STOPSIGNAL") == "SIGTERM"


def test_the_server_does_not_run_as_root() -> None:
    user, group = instruction("USER").split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_base_is_pinned_by_digest() -> None:
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize(("flavour", "other"), [("openvino", "tensorflow"), ("tensorflow", "openvino")])
def test_a_lock_holds_its_engine_and_not_the_other(flavour: str, other: str) -> None:
    names = locked(flavour)
    assert any(name.startswith(flavour) for name in names)
    assert not [name for name in names if other in name]
    assert not [name for name in names if name.startswith(("nvidia", "serverless-dnn", "pytest"))]


@pytest.mark.parametrize("flavour", ["openvino", "tensorflow"])
def test_every_locked_package_has_a_hash(flavour: str) -> None:
    text = (SERVER / "requirements" / f"{flavour}.txt").read_text(encoding="utf-8")
    for entry in re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in entry


@pytest.mark.parametrize("flavour", ["openvino", "tensorflow"])
def test_locked_versions_are_those_the_packages_ask_for(flavour: str) -> None:
    from packaging.requirements import Requirement

    names = locked(flavour)
    for package in ("protos", "servers/runtime", "servers/cloudrun_grpc"):
        project = tomllib.loads((ROOT / package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project.get("optional-dependencies", {})
        texts = project["dependencies"] + extras.get("grpc", []) + extras.get(flavour, [])
        for asked in map(Requirement, texts):
            if asked.name.startswith("serverless-dnn"):
                continue
            # Of TensorFlow the image has the build without CUDA.
            version = names.get(asked.name) or names[f"{asked.name}-cpu"]
            assert asked.specifier.contains(version), f"{package} asks for {asked}, locked is {version}"


def test_the_image_command_says_which_models_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    monkeypatch.syspath_prepend(str(ROOT / "images"))
    spec = importlib.util.spec_from_file_location("images_cloudrun", ROOT / "images" / "cloudrun.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = CliRunner().invoke(module.main, ["--models", str(tmp_path)])
    assert result.exit_code == 2
    assert "saved_model.pb" in result.output
