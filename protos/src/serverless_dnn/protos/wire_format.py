"""Walk over a protobuf message's fields when parsing all of it would copy or load too much.

The encoding is described at https://protobuf.dev/programming-guides/encoding/.
"""

import mmap
from collections.abc import Iterator
from typing import NamedTuple

LENGTH_DELIMITED = 2
_VARINT = 0
_FIXED_BYTES = {1: 8, 5: 4}

Buffer = memoryview | mmap.mmap


class Field(NamedTuple):
    """The location of a field.

    Attributes:
        number: The field's number.
        wire_type: How its value is encoded.
        begin: Start of the field, including its key.
        value: Start of the value.
        end: End of the value, exclusive.
    """

    number: int
    wire_type: int
    begin: int
    value: int
    end: int


def walk_fields(buffer: Buffer, begin: int, end: int) -> Iterator[Field]:
    """Iterate over the fields of a message.

    Args:
        buffer: The buffer that holds the message.
        begin: Where it begins.
        end: Where it ends.

    Yields:
        Each field.

    Raises:
        ValueError: The bytes are not a message, or contain groups, which nobody writes any more.
    """
    position = begin
    while position < end:
        start = position
        key, position = _read_varint(buffer, position, end)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value = position
            _, position = _read_varint(buffer, position, end)
        elif wire_type == LENGTH_DELIMITED:
            length, value = _read_varint(buffer, position, end)
            position = value + length
        elif wire_type in _FIXED_BYTES:
            value = position
            position += _FIXED_BYTES[wire_type]
        else:
            raise ValueError(f"unknown wire type {wire_type} at byte {start}")
        if position > end or not number:
            raise ValueError(f"a field at byte {start} is cut short or has no number")
        yield Field(number, wire_type, start, value, position)


def encode_key(number: int) -> bytes:
    """The key of a length-delimited field.

    Args:
        number: The field's number.

    Returns:
        Its bytes.
    """
    return encode_varint(number << 3 | LENGTH_DELIMITED)


def encode_varint(value: int) -> bytes:
    """Encode a number.

    Args:
        value: Not negative.

    Returns:
        Its bytes.
    """
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(buffer: Buffer, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 64:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError(f"a number at byte {position} is cut short")
