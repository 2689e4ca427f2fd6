"""A compiled model is used for the model it was made of, byte by byte, and only if its answers were TensorFlow's."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from serverless_dnn.runtime.engines.base import EngineInfo
from serverless_dnn.runtime.engines.selection import load_model
from serverless_dnn.runtime.errors import FailedPreconditionError
from serverless_dnn.runtime.saved_model.signature import read_signatures
from serverless_dnn.runtime.settings import EngineOptions
from serverless_dnn.runtime.timing import Instance

Run = Callable[..., subprocess.CompletedProcess[str]]
# Larger than what is read of a file to find its place in the cache.
WEIGHTS = 6 << 20


def _load(folder: Path, cache: Path, engine: str = "openvino") -> EngineInfo:
    options = EngineOptions(name=engine, cache_folder=cache)
    return load_model(folder, read_signatures(folder), options, Instance()).info


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models: `frozen`, whose weights are in saved_model.pb, `variables`, and `local_response`, that OpenVINO gets wrong."""
    import tensorflow as tf

    root = tmp_path_factory.mktemp("compiled")
    weights = np.random.default_rng(1).normal(size=WEIGHTS // 2).astype(np.float32)
    vector, image = [tf.TensorSpec([None], tf.float32, "x")], [tf.TensorSpec([None, 4, 4, 6], tf.float32, "x")]

    def save(name: str, function: object, spec: list[tf.TensorSpec], variable: tf.Variable | None = None) -> None:
        module = tf.Module()
        module.variable, module.serve = variable, tf.function(function, input_signature=spec)
        tf.saved_model.save(module, f"{root}/{name}/1", {"serving_default": module.serve})

    variable = tf.Variable(weights)
    save("frozen", lambda x: {"y": tf.reduce_sum(tf.constant(weights)) + x}, vector)
    save("variables", lambda x: {"y": tf.reduce_sum(variable) + x}, vector, variable)
    save("local_response", lambda x: {"y": tf.nn.lrn(x, 1, 1.0, 0.5, 0.7)}, image)
    return root


@pytest.mark.parametrize(
    ("model", "file"),
    [
        ("frozen", "saved_model.pb"),
        ("variables", "variables/variables.data-00000-of-00001"),
        ("variables", "variables/variables.index"),
    ],
)
def test_a_changed_byte_anywhere_is_another_model(model: str, file: str, saved: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(saved / model / "1", tmp_path / model / "1"))
    cache, path = tmp_path / "cache", folder / file
    assert [_load(folder, cache).compiled_cache for _ in range(2)] == ["filled", "hit"]

    content = bytearray(path.read_bytes())
    # Of a number's bytes one that does not make it another sum's worth: the model must stay readable.
    place = len(content) // 2 // 4 * 4
    content[place] ^= 1
    path.write_bytes(content)

    assert _load(folder, cache).compiled_cache in ("filled", "none")


def test_a_copy_with_other_times_is_the_same_model(saved: Path, tmp_path: Path) -> None:
    """Containers are built on another file system."""
    cache = tmp_path / "cache"
    assert _load(saved / "variables" / "1", cache).compiled_cache == "filled"

    copy = Path(shutil.copytree(saved / "variables" / "1", tmp_path / "copy" / "1"))
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))

    assert _load(copy, cache).compiled_cache == "hit"


def test_what_was_compared_is_sealed_and_told(saved: Path, tmp_path: Path, run_command: Run) -> None:
    cache = tmp_path / "cache"
    done = run_command("sdnn-models", "compile", str(saved / "frozen"), "--cache-folder", str(cache))
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout)
    assert line["verified"]["calls"] > 0
    assert line["verified"]["largest_difference"] <= line["verified"]["tolerance"] == 1e-3

    (seal,) = cache.glob("*/seal.json")
    assert json.loads(seal.read_text())["record"]["verified"] == line["verified"]
    assert _load(saved / "frozen" / "1", cache, "auto").proof == "verified at compile"
    assert _load(saved / "frozen" / "1", tmp_path / "other", "auto").proof == "proven by list"


def test_a_model_that_is_answered_otherwise_is_refused(saved: Path, tmp_path: Path, run_command: Run) -> None:
    folder, cache = saved / "local_response", tmp_path / "cache"
    done = run_command(
        "sdnn-models",
        "compile",
        str(folder),
        "--cache-folder",
        str(cache),
        SDNN_ENGINE="openvino",
        SDNN_PRECISION="f32",
    )

    assert done.returncode == 1
    assert "local_response 1: openvino answered otherwise than tensorflow" in done.stderr
    assert "output y differs by" in done.stderr
    with pytest.raises(FailedPreconditionError, match="answered otherwise than tensorflow when the model was compiled"):
        _load(folder / "1", cache)
    assert _load(folder / "1", cache, "auto").name == "tensorflow"


def test_explain_tells_the_engine_operator_by_operator(saved: Path, models: Path, run_command: Run) -> None:
    done = run_command("sdnn-models", "explain", str(saved), "--json")
    assert done.returncode == 0, done.stderr
    told = {line["model"]: line for line in map(json.loads, done.stdout.splitlines())}

    assert told["frozen/1"]["engine"] == "openvino"
    assert told["frozen/1"]["checked_of_every_call"] == [
        "x: values from -1e+10 to 1e+10, no NaN; others are answered by tensorflow"
    ]
    refused = told["local_response/1"]
    assert refused["engine"] == "tensorflow"
    (reason,) = [row["verdict"] for row in refused["operators"] if row["operator"] == "LRN"]
    assert reason == refused["reason"]

    text = run_command("sdnn-models", "explain", str(models / "lookup" / "1")).stdout
    assert "tensorflow" in text.splitlines()[0]
    assert "Sum int32" in text


def test_every_version_is_compiled_for_servers_that_serve_all(models: Path, tmp_path: Path, run_command: Run) -> None:
    command = ("python", "-m", "serverless_dnn.runtime.commands.compile_models", "--engine", "openvino")
    folders = ("--model-base-path", str(models / "half_plus_two"), "--cache-folder", str(tmp_path))

    newest, every = run_command(*command, *folders), run_command(*command, *folders, "--all-versions")

    assert [json.loads(line)["version"] for line in newest.stdout.splitlines()] == [12]
    assert [json.loads(line)["version"] for line in every.stdout.splitlines()] == [12, 1]
