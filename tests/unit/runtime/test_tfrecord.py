"""Records are read as TensorFlow wrote them, and every damaged byte is noticed."""

from pathlib import Path

import pytest
import tensorflow as tf

from serverless_dnn.runtime.errors import DataLossError
from serverless_dnn.runtime.repository.tfrecord import read_records

RECORDS = [b"", b"a", bytes(range(256)) * 40]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with tf.io.TFRecordWriter(str(tmp_path / "records")) as writer:
        for record in RECORDS:
            writer.write(record)
    return tmp_path / "records"


def test_what_tensorflow_wrote_is_read(path: Path) -> None:
    assert list(read_records(path, 1 << 20)) == RECORDS


def test_a_damaged_byte_anywhere_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(DataLossError, match="damaged"):
            list(read_records(path, 1 << 20))


def test_a_file_that_is_cut_short_or_no_such_file(path: Path) -> None:
    whole = path.read_bytes()
    for size in (3, 11, 20, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DataLossError):
            list(read_records(path, 1 << 20))
    path.write_bytes(b"some text that is no record")
    with pytest.raises(DataLossError, match="is not a TFRecord file"):
        list(read_records(path, 1 << 20))


def test_a_record_over_the_limit(path: Path) -> None:
    with pytest.raises(DataLossError, match="a record of 10240 bytes, more than the 10000 read"):
        list(read_records(path, 10_000))
