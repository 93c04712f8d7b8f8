"""The pages for people, opened as the documentation describes: the operator's console and the shop."""

import os
import pty
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from support import kind, kind_release, wait
from support.customer import Customer
from support.free_ports import free_port

CONSOLE = ["exec", "-it", "deployment/retail-operator", "--", "retail", "console", "--by", "ada"]


@contextmanager
def console(port: int, *admins: str) -> Iterator[str]:
    """Run the console at a terminal in the operator's pod, yield its address, and stop it with Ctrl-C at the end."""
    ours, theirs = pty.openpty()
    options = [*CONSOLE, "--port", str(port), *(option for url in admins for option in ("--admin", url))]
    command = ["kubectl", "--context", kind.CONTEXT, "--namespace", kind.NAMESPACE, *options]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        try:
            with open(ours, "rb", buffering=0, closefd=False) as terminal:
                printed = b""
                while b"Ctrl-C" not in printed:
                    printed += terminal.read(4096) or b""
            found = re.search(rb"http://\S+/", printed)
            assert found, printed
            yield found[0].decode()
        finally:
            os.write(ours, b"\x03")
            process.wait(timeout=30)
            os.close(ours)


@pytest.mark.short
def test_console_in_the_pod_is_reached_by_port_forward(customer: Customer) -> None:
    """The console shows an order's history and a replica's breakers; an address with another secret gets 404."""
    order = customer.place()
    customer.processed(order)
    admin = f"http://{kind.pods('order-api')[0]['status']['podIP']}:9090"
    port = free_port()
    with console(port, admin) as address, kind.forwarded("deployment/retail-operator", port, local=port):
        page = httpx.get(f"{address}order/{order}", trust_env=False, timeout=30)
        breakers = httpx.get(f"{address}panels/breakers", trust_env=False, timeout=30)
        foreign = httpx.get(f"http://127.0.0.1:{port}/{'x' * 43}/", trust_env=False, timeout=30)

    assert page.status_code == breakers.status_code == 200
    assert "PROCESSED" in page.text
    assert customer.name in page.text
    assert admin in breakers.text
    assert "closed" in breakers.text
    assert foreign.status_code == 404


def test_shop_is_served_only_if_the_chart_enables_it(https_client: httpx.Client) -> None:
    def files(status: int) -> list[httpx.Response] | None:
        """Return the page and its script if both have this status; a pod that is being replaced may still answer."""
        answers = [https_client.get("/"), https_client.get("/shop/main.js")]
        return answers if {answer.status_code for answer in answers} == {status} else None

    wait.until(lambda: files(404), "no shop at the gateway", seconds=60)
    with kind_release.restored():
        kind_release.upgrade("proxy.shop=true", force=True)
        page, script = wait.until(lambda: files(200), "the shop through the gateway", seconds=60)
    wait.until(lambda: files(404), "no shop at the gateway", seconds=60)

    assert page.headers["content-type"].startswith("text/html")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "<title>Retail Orders</title>" in page.text
    assert script.headers["content-type"] == "text/javascript"
