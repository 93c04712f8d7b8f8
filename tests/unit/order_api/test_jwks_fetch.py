"""Key sets (RFC 7517): parsing and fetching."""

import json
import ssl
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_stack.certificates import Authority
from order_api import jwks_fetch as keys
from order_api.jwks_fetch import JwksFetchFailed, make_fetcher, parse


def jwk(kid: str, **changes: Any) -> dict[str, Any]:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    x = urlsafe_b64encode(public).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x} | changes


def key_set(*members: dict[str, Any]) -> bytes:
    return json.dumps({"keys": members}).encode()


def test_key_set_is_parsed_by_key_id() -> None:
    assert set(parse(key_set(jwk("a"), jwk("b")))) == {"a", "b"}


def test_empty_key_set_is_valid() -> None:
    assert parse(key_set()) == {}


def test_rsa_key_beside_an_ed25519_key_is_ignored() -> None:
    rsa = {"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB", "alg": "RS256"}

    assert set(parse(key_set(jwk("a"), rsa))) == {"a"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"7",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b'{"keys": ""}',
        b'{"Keys": []}',
        b'[{"keys": []}]',
        b'{"keys": [] ',
        b'{"keys": 7}',
        b'{"keys": [7]}',
        b"[" * 50_000,
        b"\xff",
        key_set(jwk("a", x="AA")),
        key_set({"kty": "oct", "kid": "a", "k": "AA", "alg": "HS256"}),
    ],
)
def test_invalid_key_set_fails_the_fetch(body: bytes) -> None:
    with pytest.raises(JwksFetchFailed):
        parse(body)


@dataclass
class JwksServer:
    """An HTTPS server with a configurable response."""

    url: str
    ca: Path
    status: int = 200
    body: bytes = key_set(jwk("a"))
    headers: dict[str, str] = field(default_factory=dict)
    silence: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def jwks_server(tmp_path: Path) -> Iterator[JwksServer]:
    jwks_server = JwksServer("", tmp_path / "ca.pem")
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("jwks-server"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if jwks_server.silence.is_set():
                self.connection.settimeout(5)
                self.rfile.read(1)
                return
            self.send_response_only(jwks_server.status)
            for name, value in jwks_server.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(jwks_server.body)))
            self.end_headers()
            self.wfile.write(jwks_server.body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        jwks_server.url = f"https://localhost:{server.server_port}/jwks.json"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield jwks_server
        server.shutdown()


def test_key_set_is_fetched_over_tls(jwks_server: JwksServer) -> None:
    assert set(make_fetcher(jwks_url=jwks_server.url, ca_file=jwks_server.ca)()) == {"a"}


def test_server_certificate_of_an_unknown_authority_is_rejected(jwks_server: JwksServer, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Authority(other)

    with pytest.raises(JwksFetchFailed):
        make_fetcher(jwks_url=jwks_server.url, ca_file=other / "ca.pem")()


@pytest.mark.parametrize(
    ("status", "body"), [(503, b"{}"), (404, b"{}"), (301, key_set(jwk("a"))), (200, b" " * (keys.MAX_BYTES + 1))]
)
def test_bad_status_redirect_or_oversized_response_fails_the_fetch(
    jwks_server: JwksServer, status: int, body: bytes
) -> None:
    jwks_server.status, jwks_server.body, jwks_server.headers = status, body, {"Location": jwks_server.url}

    with pytest.raises(JwksFetchFailed):
        make_fetcher(jwks_url=jwks_server.url, ca_file=jwks_server.ca)()


def test_silent_server_fails_the_fetch_after_a_timeout(
    jwks_server: JwksServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "FETCH_SECONDS", 0.3)
    jwks_server.silence.set()

    with pytest.raises(JwksFetchFailed):
        make_fetcher(jwks_url=jwks_server.url, ca_file=jwks_server.ca)()


def test_closed_port_fails_the_fetch(jwks_server: JwksServer) -> None:
    with pytest.raises(JwksFetchFailed):
        make_fetcher(jwks_url="https://localhost:1/jwks.json", ca_file=jwks_server.ca)()
