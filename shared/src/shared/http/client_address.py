"""What a limit treats as one client."""

import ipaddress
from contextlib import suppress


def limited_address(address: str) -> str:
    """Return what limits treat as one address: an IPv4 address, or the /64 network of an IPv6 address.

    One customer usually has a whole /64 network, and could send each request from a different address in that network.
    A text that is not an address is returned as it is.
    """
    with suppress(ValueError):
        ip = ipaddress.ip_address(address)
        if isinstance(ip, ipaddress.IPv6Address):
            return str(ip.ipv4_mapped or ipaddress.IPv6Network((ip, 64), strict=False))
    return address
