"""Bodies that name URLs in place of tensors are told from those that do not, and read strictly."""

import json
import subprocess
import sys

import pytest

from serverless_dnn.runtime.errors import (
    InvalidArgumentError,
)
from serverless_dnn.runtime.http.transfer_request import TransferRequest, read_transfer_request

SECRET = "c0ffee5ec4e7"
QUERY = f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=900&X-Amz-Signature={SECRET}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'"inputs_url"',
        b'["inputs_url"]',
        b'{"instances": [1.0]}',
        b'{"instances": ["inputs_url"]}',
        b'{"inputs": {"inputs_url": ["https://example.com"]}}',
        b'{"instances": ["inputs_url"',
        b"\x93NUMPY\x01\x00",
        b"\x0a\x0c\x0a\x0ahalf_plus_two",
        b'{"instances": [' + b"1," * 20_000 + b"1]}",
        b'{"instances": [' + b"[" * 5_000 + b'"inputs_url"',
        b" " * 20_000,
    ],
)
def test_ordinary_bodies_name_no_urls(body: bytes) -> None:
    assert read_transfer_request(body) is None


def test_bodies_that_name_urls() -> None:
    one, two = f"https://s3.amazonaws.com/b/in{QUERY}", f"https://s3.amazonaws.com/b/out{QUERY}"

    assert read_transfer_request(json.dumps({"inputs_url": one}).encode()) == TransferRequest(one, None)
    both = {"outputs_url": two, "inputs_url": one}
    for text in (json.dumps(both), json.dumps(both, indent=2), f"\ufeff \n{json.dumps(both)}"):
        assert read_transfer_request(text.encode()) == TransferRequest(one, two)
    assert SECRET not in repr(TransferRequest(one, two))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"outputs_url": "https://x"}', "needs inputs_url"),
        (b'{"inputs_url": "https://x", "output_url": "y"}', "got also 'output_url'"),
        (b'{"inputs_url": "https://x", "signature_name": "y"}', "got also 'signature_name'"),
        (b'{"instances": [1], "outputs_url": "https://x"}', "got also 'instances'"),
        (b'{"inputs_url": 1}', "inputs_url must be a string with a URL, got int"),
        (b'{"inputs_url": null}', "NoneType"),
        (b'{"inputs_url": ["c0ffee5ec4e7"]}', "list"),
        (b'{"inputs_url": "https://x", "outputs_url": {}}', "outputs_url must be a string"),
        (b'{"inputs_url": "c0ffee5ec4e7', "not valid JSON"),
        (b'{"inputs_url": "c0ffee5ec4e7"} and more', "not valid JSON"),
        (b'{"inputs_url": ' + b"[" * 10_000, "not valid JSON"),
        (b'{"inputs_url": "\xff"}', "not valid JSON"),
        (b'{ "inputs_url": "' + b"c0ffee5ec4e7" * 2_000 + b'"}', "at most 16384 bytes"),
    ],
)
def test_malformed_bodies_that_name_urls(body: bytes, expected: str) -> None:
    with pytest.raises(InvalidArgumentError, match=expected) as raised:
        read_transfer_request(body)

    assert SECRET not in str(raised.value)


def test_a_server_without_transfers_does_not_load_what_they_need() -> None:
    code = (
        "import sys; from serverless_dnn.runtime.http import transfers; from serverless_dnn.runtime.settings import "
        "TransferOptions; transfers.Transfers(TransferOptions()); "
        "print([name for name in ('ssl', 'http.client', 'socket') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
