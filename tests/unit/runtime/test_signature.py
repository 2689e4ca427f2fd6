"""Signatures are read without TensorFlow, and are those TensorFlow sees."""

from pathlib import Path

import pytest
import tensorflow as tf

from serverless_dnn.runtime.errors import DataLossError, NotFoundError
from serverless_dnn.runtime.saved_model.signature import read_signatures


@pytest.mark.parametrize("model", ["half_plus_two/1", "types/1", "pair/3", "matrix/1"])
def test_they_are_tensorflows(models: Path, model: str) -> None:
    seen = tf.saved_model.load(str(models / model)).signatures

    read = read_signatures(models / model)

    assert set(read) == set(seen)
    for name, signature in read.items():
        assert signature.method_name == "tensorflow/serving/predict"
        inputs, outputs = seen[name].structured_input_signature[1], seen[name].structured_outputs
        for specs, expected in ((signature.inputs, inputs), (signature.outputs, outputs)):
            assert {alias: (spec.data_type, spec.shape) for alias, spec in specs.items()} == {
                alias: (tensor.dtype.as_datatype_enum, tuple(tensor.shape.as_list()))
                for alias, tensor in expected.items()
            }


def test_shapes_with_free_sizes(models: Path) -> None:
    spec = read_signatures(models / "matrix" / "1")["serving_default"].inputs["x"]

    assert spec.shape == (None, 3)
    assert spec.accepts((5, 3))
    assert not spec.accepts((5, 4))
    assert not spec.accepts((3,))


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"saved_model\.pb is missing"):
        read_signatures(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b"\x12\x7f\x01", b"not a model at all"])
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "saved_model.pb").write_bytes(content)

    with pytest.raises((DataLossError, NotFoundError)):
        read_signatures(tmp_path)


def test_every_truncation_is_an_error_or_nothing_worse(models: Path, tmp_path: Path) -> None:
    whole = (models / "half_plus_two" / "1" / "saved_model.pb").read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 97)):
        (tmp_path / "saved_model.pb").write_bytes(whole[:length])

        with pytest.raises((DataLossError, NotFoundError)):
            read_signatures(tmp_path)


def test_other_tags(models: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no graph with the tags \{train\}; it has: \{serve\}"):
        read_signatures(models / "half_plus_two" / "1", ["train"])
