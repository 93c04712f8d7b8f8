"""Run by tests/chart/test_ipv6.py in a new network namespace, to serve a pod's ports on an IPv6 address only.

Arguments: the folder of the proxy's configuration, and ADMIN_BIND. Prints three response statuses as JSON.
As in an IPv6-only pod, 127.0.0.1 exists, and fd00::1 is the pod's address.
"""

import http.client
import json
import ssl
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from shared.config.settings import address
from shared.telemetry.admin import AdminServer
from support import chart_proxy
from support.raw_https import faulty_service

POD = "fd00::1"


def main() -> None:
    """Serve both ports, and print the statuses of one request to the proxy and two to the admin port."""
    folder, admin_bind = Path(sys.argv[1]), sys.argv[2]
    for command in ("link set lo up", f"addr add {POD}/128 dev lo"):
        subprocess.run(["ip", *command.split()], check=True, timeout=10)
    admin = AdminServer(address(admin_bind), CollectorRegistry(), live=lambda: None, ready=lambda: None)
    try:
        with faulty_service(8080), chart_proxy.nginx(folder, answers):
            context = ssl._create_unverified_context()  # noqa: S323 - which certificate it is, other tests show
            proxy = http.client.HTTPSConnection(POD, 8443, timeout=10, context=context)
            probe = http.client.HTTPConnection(POD, 9090, timeout=10)
            probe4 = http.client.HTTPConnection("127.0.0.1", 9090, timeout=10)
            print(json.dumps([status(proxy, "/x"), status(probe, "/readyz"), status(probe4, "/livez")]))
    finally:
        admin.close()


def answers() -> bool:
    """Return whether the proxy accepts connections on the pod's address."""
    connection = http.client.HTTPConnection(POD, 8443, timeout=1)
    try:
        connection.connect()
    except OSError:
        return False
    connection.close()
    return True


def status(connection: http.client.HTTPConnection, path: str) -> int:
    """Send a GET and return the response's status."""
    connection.request("GET", path, headers={"X-Forwarded-For": "2001:db8::7"})
    return connection.getresponse().status


if __name__ == "__main__":
    main()
