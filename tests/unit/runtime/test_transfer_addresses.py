"""Only public addresses are connected to, and private ones that the operator lists."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverless_dnn.runtime.http.transfer_addresses import networks_of, why_refused

EVERY_PRIVATE = networks_of(
    "10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,172.16.0.0/12,192.168.0.0/16,::1/128,fc00::/7,64:ff9b::/96"
)


REFUSED_ALWAYS = [
    "169.254.169.254", "169.254.170.2", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "febf::1",
    "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1", "240.0.0.1", "255.255.255.255",
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1", "192.0.0.8",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "::127.0.0.1", "::8.8.8.8",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "64:ff9b::169.254.169.254", "64:ff9b::100.100.100.200", "64:ff9b::0.0.0.0", "64:ff9b::224.0.0.1",
    "64:ff9b:1::1", "100::1", "2001:db8::1", "3fff::1", "2001:10::1", "fec0::1", "5f00::1", "4000::1",
    "", "localhost", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "127.0.0.1:443", "[::1]", "8.8.8.8 ",
]  # fmt: skip
REFUSED_UNLESS_LISTED = [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
    "::1", "fc00::1", "fd12:3456::1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED_ALWAYS)
def test_addresses_that_no_option_allows(address: str) -> None:
    assert why_refused(address)
    assert why_refused(address, EVERY_PRIVATE)


@pytest.mark.parametrize("address", REFUSED_UNLESS_LISTED)
def test_private_addresses_have_to_be_listed(address: str) -> None:
    assert why_refused(address) == "not a public address"
    assert why_refused(address, EVERY_PRIVATE) == ""


def test_a_listed_network_lists_no_other() -> None:
    assert why_refused("10.1.0.1", networks_of("10.1.0.0/16")) == ""
    assert why_refused("10.2.0.1", networks_of("10.1.0.0/16"))
    # NAT64 leads to public addresses, and to private ones only if they are listed too.
    assert why_refused("64:ff9b::8.8.8.8", networks_of("64:ff9b::/96")) == ""
    assert why_refused("64:ff9b::10.1.0.1", networks_of("64:ff9b::/96"))
    assert why_refused("64:ff9b::10.1.0.1", networks_of("64:ff9b::/96,10.1.0.0/16")) == ""


@pytest.mark.parametrize("address", ["52.216.8.1", "3.5.0.1", "54.231.0.1", "2600:1fa0:8000::1", "2a05:d07a:a000::1"])
def test_public_addresses(address: str) -> None:
    assert why_refused(address) == ""


@given(st.ip_addresses())
def test_what_is_accepted_is_public_by_pythons_tables_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not why_refused(str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved
