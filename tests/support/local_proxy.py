"""The proxy of the local stack in front of a service that misbehaves on request."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local_stack import proxy
from local_stack.certificates import Authority
from local_stack.options import Folders, StackOptions
from local_stack.supervisor import Supervisor
from support.raw_https import RawHttpsClient, faulty_service


@contextmanager
def running(
    root: Path, environ: Mapping[str, str], *, with_auth_api: bool = False, status_port: int = 9
) -> Iterator[RawHttpsClient]:
    """Run the proxy for two replicas of order-api, of which one runs, and for auth-api, which is down by default."""
    folders, ports = Folders(root), StackOptions(root=root).choose_ports()
    authority = Authority(folders.certificates)
    # if auth-api runs, too, one server plays both services
    auth_port = ports["order-api"] if with_auth_api else ports["auth-api"]
    upstreams = {"order-api": [ports["order-api"], ports["order-api"] + 1], "auth-api": [auth_port]}
    lock = os.open(root / "lock", os.O_CREAT | os.O_RDWR)
    supervisor = Supervisor(lock=lock, file=root / "stack.json", on_change=lambda: None, say=print)
    links = {"docs; {x} $y": "https://example.com/"}
    supervisor.add(
        [
            proxy.part(
                folders,
                authority,
                port=ports["proxy"],
                upstreams=upstreams,
                status_port=status_port,
                environ=environ,
                links=links,
            )
        ]
    )
    with faulty_service(ports["order-api"]):
        supervisor.start("proxy")
        supervisor.await_ready("proxy", seconds=20)
        yield RawHttpsClient(ports["proxy"], authority.certificate)
        supervisor.close()
    os.close(lock)
