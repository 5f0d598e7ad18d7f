"""Where the running request comes from, as the edge vouches for it: for limits, never for logs.

The edge writes the address into HEADER and lets nobody else's through. Behind proxies it is the
customer's own as soon as the installation says how many there are (TRUSTED_HOPS).
"""

import ipaddress
from contextvars import ContextVar

HEADER = "centralita-client-address"

_SUBSCRIBER = 64
"""Bits of an IPv6 address that a provider gives out as one; who has them has all behind them."""

_address: ContextVar[str] = ContextVar("client_address", default="")


def came_from(address: str) -> None:
    """Note what the edge said, for the rest of this task."""
    _address.set(address)


def client_network() -> str:
    """Return an IPv4 address or an IPv6 /64: what one client has, and can be limited by.

    Empty for what did not come through the edge, which is one client like any other.
    """
    try:
        address = ipaddress.ip_address(_address.get())
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((int(address), _SUBSCRIBER), strict=False))
        address = address.ipv4_mapped
    return str(address)
