"""The images of all servers: what is locked for them, how they start, and the commands that build them."""

import importlib
import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from image_files import FLAVOURS, ROOT, ImageFiles

IMAGES = {
    "cloudrun": ImageFiles(ROOT / "servers" / "cloudrun_grpc"),
    "sagemaker": ImageFiles(ROOT / "servers" / "sagemaker_tfserving"),
    "lambda_": ImageFiles(ROOT / "servers" / "lambda_rest"),
}
each_image = pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
each_flavour = pytest.mark.parametrize("flavour", FLAVOURS)


@each_image
def test_the_base_is_pinned_by_digest(image: ImageFiles) -> None:
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", image.dockerfile, re.MULTILINE)


def test_all_images_have_the_same_base() -> None:
    assert len({re.findall(r"^ARG BASE=.*", image.dockerfile, re.MULTILINE)[0] for image in IMAGES.values()}) == 1


@each_image
def test_entry_point_is_the_command_of_the_package_and_ends_at_sigterm(image: ImageFiles) -> None:
    # No init before it: SageMaker forbids one.
    (command,) = json.loads(image.instruction("ENTRYPOINT"))
    assert command in image.project["scripts"]
    assert image.instruction("STOPSIGNAL") == "SIGTERM"


@each_image
def test_what_is_copied_from_the_context_exists(image: ImageFiles) -> None:
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", image.dockerfile, re.MULTILINE)
    folders = {source for line in lines for source in line.split()} - {"${MODEL_DIR}"}
    assert {"images/requirements", str(image.server.relative_to(ROOT) / "requirements")} <= folders
    assert all((ROOT / folder).is_dir() for folder in folders)
    assert (ROOT / "images" / "requirements" / "build.txt").is_file()


@each_image
@pytest.mark.parametrize(("flavour", "other"), [FLAVOURS, FLAVOURS[::-1]])
def test_a_lock_holds_its_engine_and_not_the_other(image: ImageFiles, flavour: str, other: str) -> None:
    names = image.locked(flavour)
    assert any(name.startswith(flavour) for name in names)
    assert not [name for name in names if other in name]
    assert not [name for name in names if name.startswith(("nvidia", "serverless-dnn", "pytest"))]


@pytest.mark.parametrize(
    "path", [*ROOT.glob("servers/*/requirements/*.txt"), *ROOT.glob("images/requirements/*.txt")], ids=str
)
def test_every_locked_package_has_a_hash(path: Path) -> None:
    entries = re.split(r"^(?=[a-z0-9-]+==)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)


@each_image
@each_flavour
def test_locked_versions_are_those_the_packages_ask_for(image: ImageFiles, flavour: str) -> None:
    names = image.locked(flavour)
    asked = list(image.asked_for(flavour))
    assert asked
    for each in asked:
        # Of TensorFlow the image has the build without CUDA.
        version = names.get(each.name) or names[f"{each.name}-cpu"]
        assert each.specifier.contains(version), f"asked for is {each}, locked is {version}"


def test_every_lock_is_made_by_the_script_and_has_its_source() -> None:
    lock = (ROOT / "hatch.toml").read_text(encoding="utf-8")
    for path in (*ROOT.glob("servers/*/requirements/*.txt"), *ROOT.glob("images/requirements/*.txt")):
        source = path.with_suffix(".in").relative_to(ROOT)
        assert (ROOT / source).is_file()
        assert f'"_lock {source} --output-file {path.relative_to(ROOT)}"' in lock


@pytest.mark.parametrize("server", IMAGES)
def test_the_image_command_says_which_models_are_missing(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "images"))
    spec = importlib.util.spec_from_file_location(f"images_{server}", ROOT / "images" / f"{server}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = CliRunner().invoke(module.main, ["--models", str(tmp_path)])
    assert result.exit_code == 2
    assert "saved_model.pb" in result.output


def test_docker_removes_the_container_whose_command_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A stand-in that writes down what it is asked for.
    docker, log = tmp_path / "docker", tmp_path / "log"
    docker.write_text(f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" != run ] || exec sleep 60\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(str(ROOT / "images"))
    tools = importlib.import_module("container_tools")

    with tools.Docker().command("image", tools.Start({}, {})) as command:
        process = subprocess.Popen(command)
        process.kill()
        process.wait()

    (name,) = [text.removeprefix("--name=") for text in command if text.startswith("--name=")]
    assert log.read_text().splitlines()[-1] == f"rm --force {name}"
