"""A warning for a cluster whose gateway hides the clients' addresses."""

import ipaddress
import threading
from contextlib import suppress

from shared.telemetry import log

USERS = 20
logger = log.get(__name__)


class AddressWatch:
    """Logs `client_addresses_hidden`, once, if the first 20 users all come from one private address. Thread-safe.

    Limits by address would then apply to all users together, and every user's known address would be the gateway's. On
    loopback all clients have the same address, so nothing is logged.
    """

    def __init__(self) -> None:
        self._addresses: set[str] = set()
        self._users: set[str] = set()
        self._lock = threading.Lock()

    def saw(self, user: str, address: str) -> None:
        """Note that the user logged in from the address."""
        with self._lock:
            if len(self._addresses) > 1 or len(self._users) >= USERS:
                return
            self._addresses.add(address)
            self._users.add(user)
            is_hidden = len(self._addresses) == 1 and len(self._users) >= USERS
        if is_hidden and _is_in_a_private_network(address):
            logger.warning("client_addresses_hidden", address=address, users=USERS)


def _is_in_a_private_network(address: str) -> bool:
    with suppress(ValueError):
        ip = ipaddress.ip_address(address)
        return ip.is_private and not ip.is_loopback
    return False
