"""The cache of auth-api's public keys, and how they are fetched."""

import json
import ssl
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_stack.certificates import Authority
from order_api import keys
from order_api.keys import REFRESH_SECONDS, FetchFailed, KeyCache, KeysUnavailable, fetcher, parse
from support.clock import Clock
from support.orders import KeyServer
from support.wait import until


def jwk(kid: str, **changes: Any) -> dict[str, Any]:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    x = urlsafe_b64encode(public).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x} | changes


def key_set(*members: dict[str, Any]) -> bytes:
    return json.dumps({"keys": members}).encode()


def test_a_key_set_is_read_by_key_id() -> None:
    assert set(parse(key_set(jwk("a"), jwk("b")))) == {"a", "b"}


def test_keys_of_other_kinds_are_left_out() -> None:
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
        b'{"keys": []}',
        b'{"keys": 7}',
        b'{"keys": [7]}',
        b"[" * 50_000,
        b"\xff",
        key_set(jwk("a", x="AA")),
        key_set({"kty": "oct", "kid": "a", "k": "AA", "alg": "HS256"}),
    ],
)
def test_what_is_no_key_set_is_a_failed_fetch(body: bytes) -> None:
    with pytest.raises(FetchFailed):
        parse(body)


def test_without_a_key_set_nothing_can_be_told() -> None:
    server = KeyServer()
    server.is_up = False
    cache = KeyCache(server.fetch)
    cache.refresh()

    assert not cache.is_present
    with pytest.raises(KeysUnavailable):
        cache.get("k1")


def test_the_set_is_fetched_again_after_5_minutes_and_sooner_while_that_fails() -> None:
    server = KeyServer()
    cache = KeyCache(server.fetch, jitter=lambda: 0.0)
    server.is_up = False
    failing = [cache.refresh() for _ in range(7)]
    server.is_up = True

    assert failing == [0.5, 1, 2, 4, 5, 5, 5]
    assert cache.refresh() == REFRESH_SECONDS


def test_a_fetch_that_breaks_in_an_unforeseen_way_is_a_failed_one() -> None:
    answers: list[Any] = [{"a": 1}]
    cache = KeyCache(answers.pop)
    pauses = [cache.refresh(), cache.refresh()]

    assert pauses[0] == REFRESH_SECONDS > pauses[1]
    assert cache.get("a") == 1


def test_a_withdrawn_key_is_gone_after_the_next_fetch() -> None:
    server = KeyServer()
    cache = KeyCache(server.fetch)
    server.rotate("k2")
    cache.refresh()
    del server.private["k1"]
    cache.refresh()

    assert cache.get("k1") is None
    assert "k2" in cache


@dataclass
class HangingServer:
    """auth-api that answers when it is let."""

    keys: dict[str, Any] = field(default_factory=lambda: {"k1": 1})
    fetches: int = 0
    answering: threading.Event = field(default_factory=threading.Event)

    def fetch(self) -> dict[str, Any]:
        self.fetches += 1
        assert self.answering.wait(30)
        return dict(self.keys)


def test_while_one_waits_for_a_fetch_all_others_with_an_unknown_key_are_told_at_once(
    request: pytest.FixtureRequest,
) -> None:
    server = HangingServer()
    request.addfinalizer(server.answering.set)
    cache = KeyCache(server.fetch)
    server.answering.set()
    cache.refresh()
    server.answering.clear()
    server.keys["k2"] = 2
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.get, "k2")
        until(lambda: server.fetches == 2, "the fetch")
        for forged in ("a", "b", "k2"):
            with pytest.raises(KeysUnavailable):
                cache.get(forged)
        known = cache.get("k1")
        server.answering.set()

    assert (known, waiting.result()) == (1, 2)
    assert server.fetches == 2


def test_unknown_keys_cost_one_fetch_in_30_seconds() -> None:
    server, clock = KeyServer(), Clock()
    cache = KeyCache(server.fetch, clock=clock.seconds)
    cache.refresh()
    fetches = []
    for seconds in (0, 29, 1, 29):
        clock.advance(seconds)
        found = [cache.get(f"forged-{n}") for n in range(8)]
        assert found == [None] * 8
        fetches.append(server.fetches)

    assert fetches == [2, 2, 3, 3]


def test_while_fetches_fail_nobody_can_tell_of_an_unknown_key_and_it_costs_no_more_fetches() -> None:
    server, clock = KeyServer(), Clock()
    cache = KeyCache(server.fetch, clock=clock.seconds)
    cache.refresh()
    server.is_up = False
    fetches = []
    for seconds in (0, 29, 1, 29):
        clock.advance(seconds)
        for n in range(8):
            with pytest.raises(KeysUnavailable):
                cache.get(f"forged-{n}")
        assert cache.get("k1")
        fetches.append(server.fetches)
    server.is_up = True
    clock.advance(1)

    assert fetches == [2, 2, 3, 3]
    assert cache.get("forged") is None


def test_the_thread_fetches_at_start_and_ends_when_it_is_closed() -> None:
    cache = KeyCache(KeyServer().fetch)
    cache.start()
    until(lambda: cache.is_present, "the keys")
    cache.close()

    assert not cache._thread.is_alive()


@dataclass
class Door:
    """An HTTPS server that answers as it is told."""

    url: str
    ca: Path
    status: int = 200
    body: bytes = key_set(jwk("a"))
    headers: dict[str, str] = field(default_factory=dict)
    silence: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    told = Door("", tmp_path / "ca.pem")
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("edge"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if told.silence.is_set():
                self.connection.settimeout(5)
                self.rfile.read(1)
                return
            self.send_response_only(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        told.url = f"https://localhost:{server.server_port}/jwks.json"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield told
        server.shutdown()


def test_the_set_is_fetched_over_tls(door: Door) -> None:
    assert set(fetcher(door.url, door.ca)()) == {"a"}


def test_a_server_that_the_authority_did_not_sign_is_not_believed(door: Door, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Authority(other)

    with pytest.raises(FetchFailed):
        fetcher(door.url, other / "ca.pem")()


@pytest.mark.parametrize(
    ("status", "body"), [(503, b"{}"), (404, b"{}"), (301, key_set(jwk("a"))), (200, b" " * (keys.MAX_BYTES + 1))]
)
def test_any_other_answer_is_a_failed_fetch(door: Door, status: int, body: bytes) -> None:
    door.status, door.body, door.headers = status, body, {"Location": door.url}

    with pytest.raises(FetchFailed):
        fetcher(door.url, door.ca)()


def test_a_silent_server_costs_a_bounded_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "FETCH_SECONDS", 0.3)
    door.silence.set()

    with pytest.raises(FetchFailed):
        fetcher(door.url, door.ca)()


def test_a_closed_port_is_a_failed_fetch(door: Door) -> None:
    with pytest.raises(FetchFailed):
        fetcher("https://localhost:1/jwks.json", door.ca)()
