"""What is sent: the sample, a file of the user's, or what the signature asks for; and the user's own model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serverless_dnn.bench.errors import OptionError
from serverless_dnn.bench.experiments.inputs import GENERATED, inputs_of_signature, lay_out_model, make_inputs
from serverless_dnn.bench.experiments.options import RunOptions, Workload
from serverless_dnn.bench.load.generator import read_inputs, write_inputs
from serverless_dnn.client import Signature, TensorSpec, connect
from serverless_dnn.models.errors import InputError

NOWHERE = "grpc://127.0.0.1:1"
"""Nobody must be asked for what the paper's models take."""


def _signature(**inputs: tuple[Any, tuple[int | None, ...] | None]) -> Signature:
    specs = {
        name: TensorSpec(name, "DT", None if dtype is None else np.dtype(dtype), shape)
        for name, (dtype, shape) in inputs.items()
    }
    output = TensorSpec("y", "DT_FLOAT", np.dtype("float32"), (None,))
    return Signature("serving_default", "tensorflow/serving/predict", specs, {"y": output})


def _options(**given: Any) -> RunOptions:
    return RunOptions(("cloudrun",), **given)


def test_the_papers_models_get_their_samples() -> None:
    image = make_inputs(_options(), NOWHERE, "mobilenet_v1")
    text = make_inputs(_options(), NOWHERE, "bert_base")

    assert {name: (array.shape, array.dtype.name) for name, array in image.arrays.items()} == {
        "input": ((1, 224, 224, 3), "float32")
    }
    assert "public domain" in image.description
    assert image.output_name == "predictions"
    assert all(array.shape == (1, 500) for array in text.arrays.values())
    assert "text" in text.description


def test_they_get_a_photograph_or_arrays_of_the_users(tmp_path: Path) -> None:
    photograph, arrays = tmp_path / "photo.JPG", tmp_path / "arrays.npz"
    Image.new("RGB", (40, 30), "red").save(photograph, "jpeg")
    np.savez(arrays, input=np.zeros((2, 224, 224, 3)))

    seen = make_inputs(_options(input=photograph), NOWHERE, "mobilenet_v1")
    given = make_inputs(_options(input=arrays), NOWHERE, "mobilenet_v1")

    # The scale is -1 to 1.
    assert seen.arrays["input"][0, 0, 0] == pytest.approx([1, -1, -1], abs=0.05)
    assert seen.description == str(photograph)
    assert (given.arrays["input"].shape, given.arrays["input"].dtype.name) == ((2, 224, 224, 3), "float32")
    with pytest.raises(OptionError, match=r"bert_base takes a text, and .* is a photograph: give its arrays as an npz"):
        make_inputs(_options(input=photograph), NOWHERE, "bert_base")
    with pytest.raises(OptionError, match=r"expected .* to hold input float32\[\?, 640, 640, 3\]; it holds other"):
        np.savez(arrays, other=np.zeros(1))
        make_inputs(_options(input=arrays), NOWHERE, "yolo_v5s")


def test_inputs_are_generated_from_any_signature() -> None:
    signature = _signature(
        image=("float32", (None, 8, 8, 3)),
        half=("float16", (1000, None)),
        ids=("int64", (None, 7)),
        bytes=("uint8", (50,)),
        flag=("bool", ()),
        wave=("complex64", (None, 2)),
        words=(object, (None, 3)),
        word=(object, ()),
        anything=("float64", None),
    )

    inputs = inputs_of_signature(signature, None, seed=3)
    arrays = inputs.arrays

    assert {name: array.shape for name, array in arrays.items()} == {
        "image": (1, 8, 8, 3),
        "half": (1000, 1),
        "ids": (1, 7),
        "bytes": (50,),
        "flag": (),
        "wave": (1, 2),
        "words": (1, 3),
        "word": (),
        "anything": (1,),
    }
    assert all(array.dtype == signature.inputs[name].dtype or array.dtype.kind == "S" for name, array in arrays.items())
    for name in ("image", "half", "anything"):
        assert (arrays[name] >= 0).all()
        assert (arrays[name] < 1).all()
    assert arrays["half"].std() > 0.2
    assert set(arrays["bytes"].tolist()) == {0, 1}
    assert set(arrays["ids"].ravel().tolist()) <= {0, 1}
    assert arrays["words"].tolist() == [[b"a", b"film", b"of"]]
    assert inputs.description == f"{GENERATED}; seed 3"
    assert inputs.output_name == "y"


def test_what_is_generated_depends_on_the_seed_alone(tmp_path: Path) -> None:
    signature = _signature(x=("float32", (None, 100)), words=(object, (2,)))
    one, same, other = (inputs_of_signature(signature, None, seed).arrays for seed in (1, 1, 2))

    assert all((one[name] == same[name]).all() for name in one)
    assert (one["x"] != other["x"]).any()
    np.savez(tmp_path / "kept.npz", allow_pickle=False, **one)
    with np.load(tmp_path / "kept.npz", allow_pickle=False) as kept:
        assert all((kept[name] == one[name]).all() for name in one)


def test_a_photograph_becomes_the_image_that_a_signature_takes(tmp_path: Path) -> None:
    photograph = tmp_path / "photo.png"
    Image.new("RGB", (40, 30), (255, 0, 51)).save(photograph)

    floats = inputs_of_signature(_signature(x=("float32", (None, 20, 10, 3))), photograph, 0)
    bytes_ = inputs_of_signature(_signature(x=("uint8", (1, None, None, 3)), flag=("bool", ())), photograph, 0)

    assert floats.arrays["x"].shape == (1, 20, 10, 3)
    assert floats.arrays["x"].dtype == np.float32
    assert floats.arrays["x"][0, 0, 0] == pytest.approx([1, 0, 0.2])
    assert floats.description == f"{photograph}, resized to 1x20x10x3, scaled to [0, 1]"
    assert bytes_.arrays["x"].shape == (1, 30, 40, 3)
    assert bytes_.arrays["x"][0, 0, 0].tolist() == [255, 0, 51]
    assert bytes_.arrays["flag"].shape == ()
    assert f"flag {GENERATED}" in bytes_.description


@pytest.mark.parametrize(
    "inputs",
    [
        {"x": ("float32", (None, 3, 224, 224))},
        {"x": ("int32", (None, 224, 224, 3))},
        {"x": ("float32", (8, 224, 224, 3))},
        {"x": ("float32", None)},
        {"x": ("float32", (None, 8, 8, 3)), "y": ("float32", (None, 8, 8, 3))},
        {},
    ],
)
def test_a_photograph_for_a_model_without_an_image_is_refused(inputs: dict[str, Any], tmp_path: Path) -> None:
    photograph = tmp_path / "photo.png"
    Image.new("RGB", (4, 3)).save(photograph)

    with pytest.raises(OptionError, match=r"needs one input such as float32\[\?, 224, 224, 3\].* the model has .*npz"):
        inputs_of_signature(_signature(**inputs), photograph, 0)


class _Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (exec, ("raise SystemExit('unpickled')",))


def test_files_that_cannot_be_used_say_what_was_expected(tmp_path: Path) -> None:
    signature = _signature(x=("float32", (None, 2)), words=(object, (None,)))
    file = tmp_path / "arrays.npz"
    words = np.array(["a", "b"])

    def refused(match: str, path: Path = file) -> None:
        with pytest.raises(OptionError, match=match):
            inputs_of_signature(signature, path, 0)

    refused("cannot read .*arrays.npz: No such file")
    np.savez(file, x=np.zeros((1, 2)))
    refused(r"expected .* to hold x float32\[\?, 2\], words string\[\?\]; it holds x")
    np.savez(file, x=np.zeros((1, 2)), words=words, more=words)
    refused("it holds x, words, more")
    np.savez(file, x=np.zeros((1, 3)), words=words)
    refused(r"does not fit: input x must be float32\[\?, 2\], got the shape \[1, 3\]")
    np.savez(file, x=np.full((1, 2), "no"), words=words)
    refused("does not fit: input x must be")
    np.savez(file, x=np.array([_Evil()], object), words=words, allow_pickle=True)
    refused("npz of arrays without pickled objects")
    for content in (b"", b"PK\x03\x04 broken", b"\x80\x04N.", b"text"):
        file.write_bytes(content)
        refused("npz of arrays")
    np.savez(file, x=np.zeros((100, 2)), words=words)
    file.write_bytes(file.read_bytes().replace(bytes(64), b"damaged!" * 8, 1))
    refused("npz of arrays")
    with file.open("wb") as single:
        np.save(single, np.zeros((1, 2)))
    refused("npz of arrays")
    refused("arrays by name .* or a photograph .* got .*input.csv", tmp_path / "input.csv")
    np.savez(file, x=np.zeros((1, 2)), words=words)
    assert inputs_of_signature(signature, file, 0).arrays["words"].tolist() == ["a", "b"]
    broken = tmp_path / "photo.png"
    broken.write_bytes(b"no photo")
    with pytest.raises(InputError, match="not a picture"):
        inputs_of_signature(_signature(x=("float32", (1, 2, 2, 3))), broken, 0)


@pytest.mark.parametrize("dtype", [None, [("a", "int8")]])
def test_types_that_have_no_numpy_form_are_refused(dtype: Any) -> None:
    with pytest.raises(OptionError, match=r"the input x is .* cannot be benchmarked"):
        inputs_of_signature(_signature(x=(dtype, (1,))), None, 0)


def test_the_users_model_is_laid_out_as_servers_take_it(models: Path, tmp_path: Path) -> None:
    bare = tmp_path / "my model"
    bare.symlink_to(models / "matrix" / "1", target_is_directory=True)
    real = tmp_path / "real model"
    real.mkdir()
    (real / "saved_model.pb").touch()

    own = tmp_path / "models"
    assert lay_out_model(models / "half_plus_two", own) == ("half_plus_two", models / "half_plus_two")
    assert not own.exists()
    name, folder = lay_out_model(real, own)
    assert (name, folder.name) == ("real_model", "real_model")
    assert [(each.name, each.resolve()) for each in folder.iterdir()] == [("1", real)]
    versioned, aside = lay_out_model(models / "half_plus_two" / "1", own)
    assert versioned == "half_plus_two"
    assert [each.name for each in aside.iterdir()] == ["1"]
    assert lay_out_model(bare, own)[0] == "matrix"
    assert lay_out_model(real, own) == (name, folder)


def test_folders_without_a_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").touch()
    (tmp_path / "1").mkdir()

    own = tmp_path / "models"
    with pytest.raises(OptionError, match=r"a folder with saved_model.pb.* it holds 1, weights.h5"):
        lay_out_model(tmp_path, own)
    with pytest.raises(OptionError, match="it holds nothing"):
        lay_out_model(tmp_path / "1", own)
    for path in (tmp_path / "absent", tmp_path / "weights.h5"):
        with pytest.raises(OptionError, match=r"cannot read the model .*: N"):
            lay_out_model(path, own)


@pytest.mark.parametrize("model", ["matrix", "types"])
def test_a_server_tells_what_the_users_model_takes(
    model: str, models: Path, tmp_path: Path, start_server: Callable[..., Any]
) -> None:
    name, folder = lay_out_model(models / model / "1", tmp_path / "models")
    address, _ = start_server(
        "sdnn-cloudrun", SDNN_MODEL_BASE_PATH=str(folder), SDNN_MODEL_NAME=name, SDNN_ENGINE="tensorflow"
    )
    url = f"grpc://{address}"
    inputs = make_inputs(_options(model_path=models / model, workload=Workload(seed=5)), url, name)
    write_inputs(tmp_path / "inputs.npz", inputs.arrays)
    with connect(url, name) as client:
        outputs = client.predict(read_inputs((tmp_path / "inputs.npz").read_bytes())).outputs

    assert outputs
    assert inputs.description.endswith("seed 5")
    assert inputs.output_name == ("y" if model == "matrix" else None)
