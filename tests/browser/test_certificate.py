"""The commands that `make run` prints make Chromium trust the local CA, and distrust it again."""

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Error, Playwright

from local_stack import report
from local_stack.certificates import Authority
from support import browser as chromium


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<title>trusted</title>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority of a checkout")


@pytest.fixture
def address(authority: Authority) -> Iterator[str]:
    """The address of an HTTPS server whose certificate `authority` has issued."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("proxy"))
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}/"
        server.shutdown()


def outcome(playwright: Playwright, address: str, home: Path) -> str:
    """Return the page's title, or the error with which Chromium refuses to show it."""
    with chromium.launched(playwright, HOME=str(home)) as browser:
        page = browser.new_page()
        try:
            page.goto(address)
        except Error as error:
            return error.message.split(" at ")[0]
        return page.title()


def test_printed_commands_make_chromium_trust_and_distrust_the_ca(
    tmp_path: Path, authority: Authority, address: str, playwright: Playwright
) -> None:
    if not shutil.which("certutil"):
        pytest.skip("this test needs certutil: install it (on Debian: apt install libnss3-tools)")
    home = tmp_path / "home"
    (home / ".pki/nssdb").mkdir(parents=True)
    trust, distrust = report.trust_commands(str(authority.certificate))

    seen = [outcome(playwright, address, home)]
    for command in (trust, distrust):
        subprocess.run(["/bin/sh", "-c", command], env={**os.environ, "HOME": str(home)}, check=True, timeout=20)
        seen.append(outcome(playwright, address, home))

    refused = "Page.goto: net::ERR_CERT_AUTHORITY_INVALID"
    assert seen == [refused, "trusted", refused]


def test_docs_show_the_printed_trust_commands() -> None:
    text = (Path(__file__).parents[2] / "docs/browsers.md").read_text(encoding="utf-8")
    trust, distrust = report.trust_commands(".local/certificates/ca.pem")

    assert f"`{trust}`" in text
    assert f"`{distrust}`" in text
