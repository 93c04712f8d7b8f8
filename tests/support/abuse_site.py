"""The target of an attack: a proxy and the services behind it."""

from dataclasses import dataclass

import psutil

from support.quiet_user import QuietUser


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

    def proxies(self) -> list[psutil.Process]:
        """Return the processes of the nginx in front of order-api."""
        master = psutil.Process(self.proxy_pid)
        return [master, *master.children()]
