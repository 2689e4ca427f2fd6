"""Bodies are inflated within a bound, and types are negotiated."""

import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from serverless_dnn.protos.budget import DecodeBudget
from serverless_dnn.runtime.codecs.npy import decode_npy, encode_npy
from serverless_dnn.runtime.errors import InvalidArgumentError, PayloadTooLargeError, UnsupportedMediaTypeError
from serverless_dnn.runtime.http.bodies import inflate
from serverless_dnn.runtime.http.messages import HttpRequest


def _gzipped(body: bytes) -> HttpRequest:
    return HttpRequest("POST", "/", headers={"content-encoding": "gzip"}, body=body)


def _inflate(request: HttpRequest, limit: int) -> bytes:
    return inflate(request, limit, DecodeBudget(limit))


def test_gzip_is_inflated() -> None:
    assert _inflate(_gzipped(gzip.compress(b"abc" * 100)), 300) == b"abc" * 100


def test_every_member_of_a_gzip_is_read() -> None:
    members = gzip.compress(b"abc") + gzip.compress(b"") + gzip.compress(b"def")

    assert _inflate(_gzipped(members), 6) == b"abcdef"
    assert _inflate(_gzipped(members + bytes(8)), 6) == b"abcdef"
    with pytest.raises(PayloadTooLargeError):
        _inflate(_gzipped(members), 5)
    with pytest.raises(InvalidArgumentError, match="gzip"):
        _inflate(_gzipped(members + b"more"), 100)


def test_a_bomb_stops_at_the_bound() -> None:
    with pytest.raises(PayloadTooLargeError, match="larger than the 1000 bytes"):
        _inflate(_gzipped(gzip.compress(bytes(100_000_000))), 1000)


@pytest.mark.parametrize("body", [b"", b"abc", gzip.compress(b"abc" * 100, mtime=0)[:-9]])
def test_what_is_not_gzip(body: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match="gzip"):
        _inflate(_gzipped(body), 1000)


def test_other_encodings() -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="br"):
        _inflate(HttpRequest("POST", "/", headers={"content-encoding": "br"}), 10)


@given(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0)))
def test_npy_both_ways(array: NDArray[np.generic]) -> None:
    for order in ("C", "F"):
        decoded = decode_npy(encode_npy(np.asarray(array, order=order)))  # type: ignore[call-overload]

        assert decoded.dtype == array.dtype
        assert decoded.shape == array.shape
        assert decoded.tobytes() == array.tobytes()


def test_npy_is_not_copied() -> None:
    assert not decode_npy(encode_npy(np.zeros(10))).flags.owndata


def test_npy_never_unpickles() -> None:
    body = io.BytesIO()
    np.save(body, np.array([{}], object), allow_pickle=True)

    with pytest.raises(InvalidArgumentError, match="must not hold objects"):
        decode_npy(body.getvalue())


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", "needs 4000000000000 bytes"),
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "got 4"),
        (b"{'descr': '<f4', 'shape': (1,), }", "not .npy"),
        (b"__import__('os').getcwd()", "not .npy"),
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1," * 65 + b"), }", "65 dimensions"),
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808, 0), }", "is too large"),
        (b"{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (1,), }", "plain numbers"),
        (b"{'descr': '|S0', 'fortran_order': False, 'shape': (1,), }", "plain numbers"),
        (b"(" * 5000, "not .npy"),
    ],
)
def test_hostile_npy_headers(header: bytes, text: str) -> None:
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"1234"

    with pytest.raises(InvalidArgumentError, match=text):
        decode_npy(body)
