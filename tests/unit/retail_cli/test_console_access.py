"""The operator's console can be used only at its secret address, and only from this machine."""

import socket
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from fakes.operator import FakeSession, FakeTopics, failed, letter, order
from retail_cli.console import server
from retail_cli.main import app as command
from support.console import ROOT, TOKEN, console


@pytest.mark.parametrize(
    "path", ["/", "/panels/orders", f"/{'x' * 43}/", f"/{TOKEN[:-1]}/", f"/{'x' * 43}/static/console.js"]
)
def test_path_without_the_token_returns_404(path: str) -> None:
    client, _ = console()

    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.text == "404 Not Found\n"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8450", "127.0.0.1.evil.example", "10.0.0.1"])
def test_request_for_another_host_is_refused(host: str) -> None:
    """A host name that resolves to 127.0.0.1 (DNS rebinding) gives a web page no access."""
    client, _ = console()

    assert client.get(f"{ROOT}/", headers={"Host": host}).status_code == 404


@pytest.mark.parametrize("host", ["localhost:8450", "127.0.0.1:8450", "localhost"])
def test_loopback_host_is_accepted_on_any_port(host: str) -> None:
    client, _ = console()

    assert client.get(f"{ROOT}/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_request_from_another_site_is_refused(site: str) -> None:
    client, _ = console()

    assert client.get(f"{ROOT}/", headers={"Sec-Fetch-Site": site}).status_code == 403


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://localhost", "http://localhost:1"])
@pytest.mark.parametrize("path", ["/redrive", "/redrive/confirmed", "/reconcile", "/reconcile/confirmed"])
def test_post_without_the_consoles_own_origin_changes_nothing(path: str, origin: str | None) -> None:
    client, session = console(failed("o1"))
    headers = {"Origin": origin} if origin else {}

    answer = client.post(f"{ROOT}{path}", data={"order": "o1"}, headers=headers)

    assert answer.status_code == 403
    assert session.order("o1")["status"] == "FAILED"


def test_every_response_forbids_foreign_scripts_and_framing() -> None:
    client, _ = console()
    for path in (f"{ROOT}/", f"{ROOT}/static/console.js", "/"):
        headers = client.get(path, buffered=True).headers

        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "same-origin"


def test_stored_text_is_escaped_in_pages() -> None:
    bad = "<script>alert(1)</script>"
    client, _ = console(
        order("o1", userid=bad, orderitems=[{"item": bad, "quantity": 1}]),
        topics=FakeTopics(letters=[letter(3, b"o1", bad.encode(), error_message=bad)]),
    )
    for path in ("/order/o1", "/orders", "/dead-letters/0/3", "/order/<script>x", "/panels/dead-letters"):
        text = client.get(f"{ROOT}{path}").text

        assert "<script>" not in text
        assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("content", "problem"), [("short", "at least 32"), ("ü" * 40, "cannot be read"), ("a/b" * 20, "letters, digits")]
)
def test_unusable_token_file_is_named_with_exit_code_2(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")

    result = CliRunner().invoke(command, ["console", "--token-file", str(file)], obj=FakeSession())

    assert result.exit_code == 2
    assert f"{file}" in result.stderr
    assert problem in result.stderr


def test_port_in_use_is_named_with_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        result = CliRunner().invoke(command, ["console", "--port", str(port)], obj=FakeSession())

    assert (result.exit_code, f"port {port} of 127.0.0.1 cannot be used" in result.stderr) == (1, True)


def test_console_listens_on_loopback_and_never_logs_the_token(capfd: pytest.CaptureFixture[str]) -> None:
    client, _ = console(failed("o1"))
    listening = server.listen(client.application, 0)
    with server.running(listening):
        answer = httpx.get(f"http://127.0.0.1:{listening.server_port}{ROOT}/panels/failed")

    assert answer.status_code == 200
    assert listening.server_address[0] == "127.0.0.1"
    assert not any(character.isdigit() for character in answer.headers["Server"])
    assert TOKEN not in "".join(capfd.readouterr())
