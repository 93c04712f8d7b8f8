"""The target of an attack: a proxy and the services behind it."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from support.quiet_user import QuietUser


class UnusedAddresses:
    """Loopback addresses from which no attack has come: no limit has counted a request from them."""

    def __init__(self) -> None:
        self._next = IPv4Address("127.0.0.2")

    def take(self, count: int) -> str:
        """Return the first of `count` successive addresses; they are never returned again."""
        first, self._next = self._next, self._next + count
        return str(first)


@dataclass(frozen=True)
class Site:
    """A setup with the local proxy or the chart's: both APIs' ports, and a quiet user whom attacks must not affect.

    `proxy_pid` is the master process of the nginx in front of order-api.
    """

    order_port: int
    auth_port: int
    ca: str
    quiet: QuietUser
    proxy_pid: int
