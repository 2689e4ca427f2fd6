"""Every export serves the same on every engine, holds its weights once, and is whole or not there."""

import json
import resource
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
import pytest
import tensorflow as tf

from serverless_dnn.models.errors import ExportError
from serverless_dnn.models.export import ExportOptions, export_model
from serverless_dnn.models.registry import MODELS, get_model
from serverless_dnn.models.workload import make_request

_MIB = 1 << 20


def _serve(folder: Path, name: str) -> np.ndarray:
    loaded = tf.saved_model.load(str(folder))
    (output,) = loaded.signatures["serving_default"](
        **{key: tf.constant(array) for key, array in make_request(name).items()}
    ).values()
    return output.numpy()


@pytest.mark.parametrize("name", MODELS)
def test_tensorflow_and_openvino_agree(name: str, zoo: Path) -> None:
    card, folder = get_model(name), zoo / name / "1"
    reference = _serve(folder, name)

    compiled = openvino.Core().compile_model(str(folder), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    other = compiled(make_request(name))[card.outputs[0].name]

    assert reference.shape == card.outputs[0].request_shape()
    assert np.isfinite(reference).all()
    # YOLOv5s squares what two runtimes add up in different orders.
    np.testing.assert_allclose(other, reference, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_stays_within_the_registrys_tolerance(name: str, zoo: Path) -> None:
    """Where the processor computes in bfloat16; elsewhere OpenVINO computes in float32 whatever is asked."""
    card, core = get_model(name), openvino.Core()

    exact, rounded = (
        core.compile_model(str(zoo / name / "1"), "CPU", {"INFERENCE_PRECISION_HINT": precision})(make_request(name))[0]
        for precision in ("f32", "bf16")
    )

    assert np.abs(exact - rounded).max() <= card.bf16_tolerance


@pytest.mark.parametrize("name", MODELS)
def test_random_weights_leave_outputs_that_depend_on_the_input(name: str, zoo: Path) -> None:
    """Servers whose outputs are compared must not agree by saying the same of everything."""
    compiled = openvino.Core().compile_model(str(zoo / name / "1"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = make_request(name)
    other = {key: array[:, ::-1] for key, array in request.items()}

    scores, others = (compiled(inputs)[0].copy() for inputs in (request, other))

    assert np.abs(scores - others).max() > 1e-3
    if name == "yolo_v5s":
        assert scores[..., 4:].min() > 1e-6
        assert scores[..., 4:].max() < 1 - 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_stored_once(name: str, zoo: Path) -> None:
    folder, card = zoo / name / "1", get_model(name)

    size = sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.parent.name != "assets.extra"
    )

    assert 4 * card.parameters < size < 4 * card.parameters + 4 * _MIB


@pytest.mark.soak
def test_every_format_of_one_model(
    tmp_path: Path, zoo: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_command(
        "sdnn-models",
        "export",
        "mobilenet_v1",
        str(tmp_path),
        "--frozen",
        "--openvino",
        "--format",
        "sagemaker",
        "--version",
        "7",
    )

    assert done.returncode == 0, done.stderr
    folder = tmp_path / "mobilenet_v1" / "7"
    np.testing.assert_allclose(
        _serve(folder, "mobilenet_v1"), _serve(zoo / "mobilenet_v1" / "1", "mobilenet_v1"), atol=1e-6
    )
    assert (
        not (folder / "variables" / "variables.data-00000-of-00001").exists()
        or (folder / "variables" / "variables.data-00000-of-00001").stat().st_size < 1000
    )
    assert json.loads((folder / "assets.extra" / "manifest.json").read_text())["options"]["frozen"] is True
    compiled = openvino.Core().compile_model(
        str(folder / "assets.extra" / "openvino" / "model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    np.testing.assert_allclose(
        compiled(make_request("mobilenet_v1"))["predictions"], _serve(folder, "mobilenet_v1"), atol=1e-5
    )
    with tarfile.open(tmp_path / "mobilenet_v1" / "model.tar.gz") as archive:
        names = archive.getnames()
        assert {"mobilenet_v1/7", "mobilenet_v1/7/saved_model.pb", "mobilenet_v1/7/assets.extra/manifest.json"} <= set(
            names
        )
        assert {member.mtime for member in archive} == {0}


@pytest.mark.soak
def test_the_same_seed_gives_the_same_weights(
    tmp_path: Path, zoo: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    for folder, seed in (("again", "0"), ("other", "1")):
        assert (
            run_command("sdnn-models", "export", "mobilenet_v1", str(tmp_path / folder), "--seed", seed).returncode == 0
        )
    data = "mobilenet_v1/1/variables/variables.data-00000-of-00001"

    def manifest(root: Path) -> dict[str, str]:
        return json.loads((root / "mobilenet_v1/1/assets.extra/manifest.json").read_text())["sha256"]

    assert (tmp_path / "again" / data).read_bytes() == (zoo / data).read_bytes()
    assert (tmp_path / "other" / data).read_bytes() != (zoo / data).read_bytes()
    same = manifest(tmp_path / "again"), manifest(zoo)
    assert {name for name in same[0] if same[0][name] != same[1][name]} <= {"fingerprint.pb"}


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """Files may not grow beyond a megabyte, as if the disk ended there."""
    done = subprocess.run(
        ["sdnn-models", "export", "mobilenet_v1", str(tmp_path)], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (_MIB, _MIB)),
    )  # fmt: skip

    assert done.returncode == 1
    assert f"cannot write {tmp_path / 'mobilenet_v1' / '1'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_version_is_replaced_in_one_step(tmp_path: Path) -> None:
    options, weights = ExportOptions(), Path("mobilenet_v1/1/variables/variables.data-00000-of-00001")
    export_model("mobilenet_v1", tmp_path, options)
    before = (tmp_path / weights).read_bytes()
    steps: list[str] = []

    with pytest.raises(ExportError, match="--overwrite"):
        export_model("mobilenet_v1", tmp_path, ExportOptions(seed=1))
    export_model("mobilenet_v1", tmp_path, ExportOptions(seed=1), steps.append, overwrite=True)

    assert "writing the SavedModel" in steps
    assert (tmp_path / weights).read_bytes() != before
    assert [path.name for path in (tmp_path / "mobilenet_v1").iterdir()] == ["1"]


@pytest.mark.parametrize(
    ("missing", "returncode", "text"),
    [("matplotlib", 0, ""), ("tensorflow", 1, "pip install 'serverless-dnn-models[tensorflow]'")],
)
def test_what_an_export_needs(missing: str, returncode: int, text: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from serverless_dnn.models.cli import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", code, "export", "mobilenet_v1", str(tmp_path / "models")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == returncode
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "models").exists() == (returncode == 0)
