"""The models are Keras' own, prepared as they were trained, and exported once and whole."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serverless_dnn.models.errors import InputError, UnknownModelError
from serverless_dnn.models.image_classification import load_photograph, preprocess, top_k
from serverless_dnn.models.registry import MODELS, get_model
from serverless_dnn.models.workload import make_request, sample_photograph
from serverless_dnn.protos.tensor import decode_tensor
from serverless_dnn.protos.v1 import prediction_log_pb2

_MIB = 1 << 20


@pytest.mark.parametrize("name", ["mobilenet_v1", "inception_v3", "yolo_v5s"])
def test_one_request_is_a_picture_scaled_as_the_model_was_trained(name: str) -> None:
    card = get_model(name)
    (array,) = make_request(name).values()
    low = 0 if name == "yolo_v5s" else -1

    assert array.shape == (1, *card.inputs[0].shape[1:])
    assert array.dtype == np.float32
    assert low <= array.min() < low + 0.2
    assert 0.8 < array.max() <= 1


def test_unknown_models_are_told_what_there_is() -> None:
    with pytest.raises(UnknownModelError, match="'resnet'; there are: mobilenet_v1, inception_v3"):
        get_model("resnet")


def test_preprocessing_is_keras() -> None:
    import keras

    picture = load_photograph(sample_photograph())
    square = picture.crop((0, 44, 512, 556)).resize((224, 224), Image.Resampling.BILINEAR)
    expected = keras.applications.mobilenet.preprocess_input(np.asarray(square, np.float32))

    np.testing.assert_allclose(preprocess(picture, 224)[0], expected, atol=1e-6)


def test_the_best_classes_come_first() -> None:
    scores = np.random.default_rng(0).random((3, 1000), np.float32)

    for row, picks in zip(scores, top_k(scores, 4), strict=True):
        assert [pick.index for pick in picks] == np.argsort(row)[::-1][:4].tolist()
        assert picks[0].score == row.max()


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.jpg").write_bytes(content)
    with pytest.raises(InputError, match="not a picture"):
        load_photograph(tmp_path / "file.jpg")
    with pytest.raises(InputError, match="nope"):
        load_photograph(tmp_path / "nope.jpg")


def test_the_export_stores_weights_once_and_says_where_it_comes_from(mobilenet: Path) -> None:
    folder = mobilenet / "mobilenet_v1" / "1"
    manifest = json.loads((folder / "assets.extra" / "manifest.json").read_text())

    assert manifest["parameters"] == get_model("mobilenet_v1").parameters == 4_253_864
    assert (manifest["options"]["weights"], manifest["options"]["seed"]) == ("random", 0)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert 4 * 4_253_864 < size < 4 * 4_253_864 + 2 * _MIB
    assert [path.name for path in folder.parent.iterdir()] == ["1"]


def test_the_export_warms_up_with_a_whole_request(mobilenet: Path) -> None:
    import tensorflow as tf

    path = mobilenet / "mobilenet_v1" / "1" / "assets.extra" / "tf_serving_warmup_requests"
    (record,) = tf.data.TFRecordDataset([str(path)])
    request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request

    assert request.model_spec.name == "mobilenet_v1"
    warmup, real = decode_tensor(request.inputs["input"]), make_request("mobilenet_v1")["input"]
    assert (warmup.shape, warmup.dtype) == (real.shape, real.dtype)
    assert warmup.std() > 0.1


def test_the_export_is_keras_model_on_every_engine(mobilenet: Path) -> None:
    import openvino
    import tensorflow as tf

    folder = str(mobilenet / "mobilenet_v1" / "1")
    request = make_request("mobilenet_v1")
    loaded = tf.saved_model.load(folder)
    served = loaded.signatures["serving_default"]

    reference = served(input=tf.constant(request["input"]))["predictions"].numpy()
    batch = served(input=tf.constant(np.repeat(request["input"], 3, 0)))["predictions"].numpy()
    other = served(input=tf.zeros((1, 224, 224, 3)))["predictions"].numpy()
    compiled = openvino.Core().compile_model(folder, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    assert reference.sum() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(batch, np.repeat(reference, 3, 0), atol=1e-6)
    np.testing.assert_allclose(compiled(request)["predictions"], reference, atol=1e-5)
    # Scores that did not depend on the picture would agree whatever a server computes.
    assert np.abs(other - reference).max() > 1e-2


def test_what_cannot_be_exported(
    tmp_path: Path, mobilenet: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    for arguments, text in (
        (("resnet", str(tmp_path)), "no model is called 'resnet'"),
        (("mobilenet_v1", str(mobilenet)), "exists: replace it with --overwrite, or export another --version"),
        (("mobilenet_v1", str(tmp_path), "--weights", "nope.h5"), "there is no file 'nope.h5'"),
        (("mobilenet_v1", "/proc/nope"), "cannot write"),
    ):
        done = run_command("sdnn-models", "export", *arguments)

        assert done.returncode == 1
        assert text in done.stderr
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_apps_need_no_tensorflow() -> None:
    code = "import sys, serverless_dnn.models.workload as w; w.make_request('mobilenet_v1'); assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0


def test_the_list_shows_every_model(run_command: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    printed = run_command("sdnn-models", "list").stdout

    assert all(name in printed for name in MODELS)
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= 80
    rows = list(csv.DictReader(run_command("sdnn-models", "list", "--format", "csv").stdout.splitlines()))
    assert [int(row["parameters"]) for row in rows] == [card.parameters for card in MODELS.values()]
    markdown = run_command("sdnn-models", "list", "--format", "markdown").stdout.splitlines()
    assert {line.count("|") for line in markdown} == {len(MODELS) + 2}


def test_the_registrys_functions_exist_without_tensorflow() -> None:
    names = [name for card in MODELS.values() for name in (card.preprocess, card.postprocess)]
    code = f"""
import importlib, sys
for name in {names}:
    module, function = name.split(":")
    assert callable(getattr(importlib.import_module(module), function)), name
assert not {{"tensorflow", "keras", "tokenizers"}} & set(sys.modules)
"""

    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0


def test_a_camera_held_upright_gives_an_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: turn by 90 degrees
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)

    assert load_photograph(tmp_path / "turned.jpg").size == (20, 40)


def test_help_shows_examples_and_variables(run_command: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    text = run_command("sdnn-models", "export", "--help").stdout

    assert "\n    sdnn-models export all models --seed 7\n" in text
    assert "SDNN_MODELS_EXPORT_FORMAT" in text
