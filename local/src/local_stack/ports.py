"""The ports of the parts, all on 127.0.0.1."""

import random
import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress

import psutil

from local_stack.catalog import SERVICES
from local_stack.errors import StackError

HOST = "127.0.0.1"
FREE_LOW, FREE_HIGH = 10_000, 32_000  # below the range for outgoing connections
REPLICAS = 10  # the most replicas of a service: the ports of more would overlap with those of the next kind
HIGHEST_OFFSET = 38_000


OF_SERVICES = {
    kind: port
    for name, service in SERVICES.items()
    for kind, port in ((name, service.port), (f"{name}-admin", service.admin_port))
    if port
}
USUAL = {
    "proxy": 8443,
    "console": 8450,
    **OF_SERVICES,
    "mongodb": 27117,
    "kafka": 19192,
    "kafka-controller": 19292,
    "kafka-internal": 19392,
    "prometheus": 19700,
    "grafana": 19710,
    "zipkin": 19720,
    "otlp-bridge": 19730,
}
# The first port of each kind of part; replica n listens on that port plus n.
# The default ports differ modulo 1000, so that stacks whose offsets differ by a multiple of 1000 share no port.
Ports = Mapping[str, int]


def fixed(offset: int = 0) -> Ports:
    """Return the default ports plus `offset`."""
    return {kind: port + offset for kind, port in USUAL.items()}


def free(counts: Mapping[str, int]) -> Ports:
    """Choose an unused port for every part, consecutive for each kind; return the first port of each kind.

    `counts` has the number of parts of each kind. StackError if it finds too few unused ports in a row.
    """
    total = sum(counts.values())
    for _ in range(100):
        base = random.SystemRandom().randrange(FREE_LOW, FREE_HIGH - total)
        if not any(in_use(port) for port in range(base, base + total)):
            break
    else:
        raise StackError(f"there are no {total} free ports in a row between {FREE_LOW} and {FREE_HIGH}")
    firsts = {}
    for kind, count in counts.items():
        firsts[kind] = base
        base += count
    return firsts


def in_use(port: int) -> bool:
    """Return whether the port cannot be bound, usually because a program listens on it."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return True
    return False


def user_of(port: int) -> str:
    """Return the name and pid of the program that listens on the port; `another program` if they cannot be read."""
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
