"""Options of transfers that would open a hole are errors."""

import pytest

from serverless_dnn.runtime.errors import (
    InvalidArgumentError,
)
from serverless_dnn.runtime.options import values_from_environment
from serverless_dnn.runtime.settings import TransferOptions


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("HOSTS", "s3,10.0.0.1", "10.0.0.1"),
        ("HOSTS", "2130706433", "2130706433"),
        ("HOSTS", "https://s3.amazonaws.com", "minio"),
        ("HOSTS", "*", "got '\\*'"),
        ("HOSTS", "*.com", "got"),
        ("HOSTS", "a.*.example.com", "got"),
        ("HOSTS", "minio:99999", "99999"),
        ("HOSTS", "none,s3", "both"),
        ("NETWORKS", "0.0.0.0/0", "parts of 10.0.0.0/8"),
        ("NETWORKS", "::/0", "parts of"),
        ("NETWORKS", "169.254.0.0/16", "parts of"),
        ("NETWORKS", "10.0.0.1/8", "host bits"),
        ("NETWORKS", "ten", "'ten'"),
        ("MAX_MIB", "0", "at least 1"),
        ("TIMEOUT_S", "0", "more than 0"),
    ],
)
def test_options_that_would_open_a_hole_are_errors(variable: str, text: str, expected: str) -> None:
    with pytest.raises(InvalidArgumentError, match=expected) as raised:
        values_from_environment(TransferOptions, {f"SDNN_TRANSFER_{variable}": text})

    assert str(raised.value).startswith(f"SDNN_TRANSFER_{variable}: ")


def test_options_are_checked_however_they_are_given() -> None:
    assert TransferOptions().hosts == "s3"
    assert TransferOptions().networks is None
    assert TransferOptions(max_mib=2).max_bytes == 2 << 20
    with pytest.raises(InvalidArgumentError, match=r"0\.0\.0\.0/0"):
        TransferOptions(networks="0.0.0.0/0")
    with pytest.raises(InvalidArgumentError, match="evil"):
        TransferOptions(hosts="evil.*")


def test_parsed_options_are_texts_that_parse_again() -> None:
    given_ = {"SDNN_TRANSFER_HOSTS": " S3 , minio:9000,", "SDNN_TRANSFER_NETWORKS": "10.0.0.0/8, ::1/128"}
    values = values_from_environment(TransferOptions, given_)

    assert values == {"transfer_hosts": "s3,minio:9000", "transfer_networks": "10.0.0.0/8,::1/128"}
    assert values_from_environment(TransferOptions, {"SDNN_TRANSFER_HOSTS": "NONE"}) == {"transfer_hosts": "none"}
