"""The warning that a gateway seems to hide the clients' addresses behind its own address."""

import pytest
from structlog.testing import capture_logs

from auth_api.address_watch import USERS, AddressWatch


def warnings(addresses: list[str]) -> list[str]:
    """Log in from each address in turn, each time as a new user; return the address in each logged warning."""
    watch = AddressWatch()
    with capture_logs() as lines:
        for number, address in enumerate(addresses):
            watch.saw(f"user{number}", address)
    return [line["address"] for line in lines if line["event"] == "client_addresses_hidden"]


@pytest.mark.parametrize("address", ["10.244.1.7", "192.168.0.1", "fd00::1"])
def test_private_address_of_many_users_causes_one_warning(address: str) -> None:
    assert warnings([address] * (USERS - 1)) == []
    assert warnings([address] * (USERS * 3)) == [address]


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"] * USERS,
        ["::1"] * USERS,
        ["8.8.8.8"] * USERS,
        [""] * USERS,
        ["10.244.1.7"] * (USERS - 1) + ["10.244.1.8"] * USERS,
        ["10.244.1.8"] + ["10.244.1.7"] * USERS,
    ],
)
def test_loopback_public_missing_or_varying_addresses_cause_no_warning(addresses: list[str]) -> None:
    assert warnings(addresses) == []


def test_frequent_logins_of_one_user_cause_no_warning() -> None:
    watch = AddressWatch()
    with capture_logs() as lines:
        for _ in range(USERS * 2):
            watch.saw("alice", "10.244.1.7")

    assert lines == []
