"""What one client has, and can be limited by."""

import pytest

from services.kernel.client_network import came_from, client_network


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("203.0.113.7, 203.0.113.8", ""),
        ("not an address", ""),
    ],
)
def test_an_address_stands_for_what_its_owner_has(address: str, network: str) -> None:
    came_from(address)
    assert client_network() == network
