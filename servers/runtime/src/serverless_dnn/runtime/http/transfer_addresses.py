"""Which addresses a transfer may connect to: public ones, and those in private networks that the operator lists."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# Whoever reaches these gets credentials of the machine, so no option allows them. The metadata services of most clouds
# have link-local addresses; the others are those of EC2 and Google Cloud over IPv6, Alibaba Cloud, Azure, Oracle Cloud.
_METADATA = tuple(
    ip_network(each)
    for each in (
        *("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128"),
        *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
    )
)
# The special-purpose registries of IANA, https://www.iana.org/assignments/iana-ipv4-special-registry and multicast and
# reserved space. `ipaddress` has tables of its own, but they differ between versions of Python.
_SPECIAL_V4 = tuple(
    ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
# Global unicast, and what is special in it: protocol assignments with Teredo, documentation, 6to4. Addresses that hold
# an IPv4 address (mapped, compatible, translated) are all outside.
_GLOBAL_V6 = ip_network("2000::/3")
_SPECIAL_V6 = tuple(ip_network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
# Where DNS64 puts IPv4 addresses, RFC 6052.
_NAT64 = ip_network("64:ff9b::/96")


def networks_of(text: str | None) -> tuple[Network, ...]:
    """The networks of an option.

    Args:
        text: That of ``TransferOptions.networks``.

    Returns:
        The networks.
    """
    return tuple(ip_network(each.strip()) for each in (text or "").split(",") if each.strip())


def why_refused(text: str, allowed: Sequence[Network] = ()) -> str:
    """Why an address must not be connected to.

    Args:
        text: The address, in its standard form.
        allowed: Private networks that may be connected to.

    Returns:
        What the address is; empty if it may be connected to.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return "no IP address"
    return _why_refused(address, allowed)


def _why_refused(address: IPv4Address | IPv6Address, allowed: Sequence[Network]) -> str:
    if any(address in network for network in _METADATA):
        return "a link-local address or one of a metadata service"
    is_allowed = any(address in network for network in allowed)
    if is_allowed and address in _NAT64:
        return _why_refused(IPv4Address(address.packed[-4:]), allowed)
    return "" if is_allowed or _is_public(address) else "not a public address"


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _SPECIAL_V6)
