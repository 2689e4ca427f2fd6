"""The records of a TFRecord file, each verified against its checksums (tensorflow/core/lib/io/record_writer.h)."""

import struct
from collections.abc import Iterator
from pathlib import Path

from google_crc32c import value as crc32c

from serverless_dnn.runtime.errors import DataLossError

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
# Added by TensorFlow so that the checksum of a checksum is not trivial.
_MASK_DELTA = 0xA282EAD8


def read_records(path: Path, max_record_bytes: int) -> Iterator[bytes]:
    """The records of a file.

    Args:
        path: The file.
        max_record_bytes: The largest record to read.

    Yields:
        Each record's bytes.

    Raises:
        DataLossError: The file is damaged, truncated, or not a TFRecord file.
    """
    with path.open("rb") as file:
        while length_bytes := file.read(_LENGTH.size):
            checksum = file.read(_CHECKSUM.size)
            if not _is_right(length_bytes, checksum):
                raise DataLossError(f"{path} is not a TFRecord file, or is damaged: the length of a record is wrong")
            (length,) = _LENGTH.unpack(length_bytes)
            if length > max_record_bytes:
                raise DataLossError(f"{path} holds a record of {length} bytes, more than the {max_record_bytes} read")
            record = file.read(length)
            if not _is_right(record, file.read(_CHECKSUM.size)):
                raise DataLossError(f"{path} is damaged or truncated: the bytes of a record are wrong")
            yield record


def _is_right(content: bytes, checksum: bytes) -> bool:
    crc = crc32c(content)
    masked = (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF
    return checksum == _CHECKSUM.pack(masked)
