"""Which part listens where, on 127.0.0.1."""

import random
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import psutil

from local_stack.errors import StackError

HOST = "127.0.0.1"
FREE_LOW, FREE_HIGH, FREE_BLOCK = 10_000, 32_000, 40  # below what systems hand out to outgoing connections
REPLICAS = 10  # so many have room between the usual ports of one kind and of the next


@dataclass(frozen=True, slots=True)
class Ports:
    """First ports of each kind of part; replica n listens on the first port plus n."""

    edge: int = 8443
    order_api: int = 18080
    order_api_admin: int = 19080
    auth_api: int = 18090
    auth_api_admin: int = 19090
    order_processor_admin: int = 19100
    mongodb: int = 27117
    kafka: int = 19192
    kafka_controller: int = 19292
    kafka_internal: int = 19392


def fixed(offset: int = 0) -> Ports:
    """Return the usual ports, each moved up by `offset`."""
    usual = Ports()
    return Ports(*(getattr(usual, name) + offset for name in Ports.__slots__))


def free(counts: dict[str, int]) -> Ports:
    """Return ports of which nobody uses any now; `counts` says how many parts of each kind there will be."""
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
    """Tell whether something listens on the port."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return True
    return False


def user_of(port: int) -> str:
    """Say who listens on the port, as well as we may know it."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another program"


def listening(port: int) -> bool:
    """Tell whether a connection to the port is accepted."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False
