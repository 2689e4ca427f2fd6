"""One array as a ``.npy`` body: numpy's own format, decoded in place.

The format is NEP 1 (https://numpy.org/neps/nep-0001-npy-format.html). Objects, which would need pickle, are rejected.
"""

import io
import math
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from serverless_dnn.protos.tensor import MAX_DIMENSIONS
from serverless_dnn.runtime.errors import InvalidArgumentError, UnsupportedMediaTypeError

# The longest header numpy reads.
_MAX_HEADER_BYTES = 10_240


def decode_npy(body: bytes) -> NDArray[Any]:
    """Decode a ``.npy`` body.

    Args:
        body: The bytes.

    Returns:
        A read-only view of the body.

    Raises:
        InvalidArgumentError: The body is not ``.npy``, is an object array, or has more or fewer bytes than its shape
            needs.
    """
    head = io.BytesIO(body[:_MAX_HEADER_BYTES])
    try:
        version = npy_format.read_magic(head)
        if version not in ((1, 0), (2, 0)):
            raise InvalidArgumentError(f"a .npy body must be of version 1.0 or 2.0, got {version[0]}.{version[1]}")
        read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran_order, dtype = read_header(head)
    except (ValueError, TypeError, OverflowError, SyntaxError, TokenError, RecursionError, MemoryError) as error:
        # The header is a Python literal, which numpy parses with Python's own parser.
        raise InvalidArgumentError(f"the body is not .npy: {error}") from None
    if dtype.hasobject:
        raise InvalidArgumentError("a .npy body must not hold objects: send strings as JSON or protobuf")
    if dtype.subdtype is not None or dtype.names is not None or not dtype.itemsize:
        raise InvalidArgumentError(f"a .npy body must hold plain numbers, got the type {dtype}")
    if len(shape) > MAX_DIMENSIONS or abs(math.prod(size for size in shape if size)) * dtype.itemsize >= 1 << 63:
        raise InvalidArgumentError(f"a .npy body of {len(shape)} dimensions {list(shape[:8])} is too large")
    expected = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or len(body) - head.tell() != expected:
        raise InvalidArgumentError(
            f"a .npy body of shape {list(shape)} and type {dtype} needs {expected} bytes of data, "
            f"got {len(body) - head.tell()}"
        )
    array = np.frombuffer(body, dtype, offset=head.tell()) if expected else np.empty(0, dtype)
    return array.reshape(shape, order="F" if fortran_order else "C")


def encode_npy(array: NDArray[Any]) -> bytes:
    """Encode an array as a ``.npy`` body.

    Args:
        array: The array, which must not hold strings.

    Returns:
        The bytes.

    Raises:
        UnsupportedMediaTypeError: The array holds objects.
    """
    if array.dtype.hasobject:
        raise UnsupportedMediaTypeError("strings have no .npy form: ask for application/json or application/x-protobuf")
    body = io.BytesIO()
    npy_format.write_array(body, array, allow_pickle=False)
    return body.getvalue()
