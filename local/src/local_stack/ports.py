"""The ports of the parts, all on 127.0.0.1."""

import random
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import psutil

from local_stack.errors import StackError

HOST = "127.0.0.1"
FREE_LOW, FREE_HIGH, FREE_BLOCK = 10_000, 32_000, 40  # below the range for outgoing connections
REPLICAS = 10  # at most, so that the ports of one kind do not reach those of the next
HIGHEST_OFFSET = 38_000


@dataclass(frozen=True, slots=True)
class Ports:
    """The first port of each kind of part; replica n listens on that port plus n.

    All differ modulo 1000, so that stacks whose offsets differ by a multiple of 1000 share no port.
    """

    proxy: int = 8443
    order_api: int = 18080
    order_api_admin: int = 19580
    auth_api: int = 18090
    auth_api_admin: int = 19590
    order_processor_admin: int = 19600
    mongodb: int = 27117
    kafka: int = 19192
    kafka_controller: int = 19292
    kafka_internal: int = 19392


def fixed(offset: int = 0) -> Ports:
    """Return the usual ports plus `offset`."""
    usual = Ports()
    return Ports(*(getattr(usual, name) + offset for name in Ports.__slots__))


def free(counts: dict[str, int]) -> Ports:
    """Return unused ports. `counts` has the number of parts of each kind."""
    total = sum(counts.get(name, 1) for name in Ports.__slots__)
    for _ in range(100):
        base = random.SystemRandom().randrange(FREE_LOW, FREE_HIGH - total)
        if not any(in_use(port) for port in range(base, base + total)):
            break
    else:
        raise StackError(f"there are no {total} free ports in a row between {FREE_LOW} and {FREE_HIGH}")
    firsts = []
    for name in Ports.__slots__:
        firsts.append(base)
        base += counts.get(name, 1)
    return Ports(*firsts)


def in_use(port: int) -> bool:
    """Return whether a program listens on the port."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return True
    return False


def user_of(port: int) -> str:
    """Return the name and pid of the program that listens on the port, if this user may see it."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another program"


def listening(port: int) -> bool:
    """Return whether a connection to the port is accepted."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False
