"""Which access tokens order-api accepts, and how it responds to missing and invalid ones."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from order_api import token_verifier as tokens
from order_api.jwks import UNKNOWN_KID_SECONDS
from support.order_api import FakeJwksServer, OrderService, order

PAST = datetime.now(UTC) - timedelta(hours=1)
FUTURE = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def service(tmp_path: Path) -> OrderService:
    return OrderService(tmp_path)


def ask(service: OrderService, authorization: str | None) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return service.client.get("/orderdetails?userid=alice", headers=headers)


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, ""])


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic YWxpY2U6cHc=", "Token x"])
def test_missing_token_returns_401_with_challenge(service: OrderService, authorization: str | None) -> None:
    answer = ask(service, authorization)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="retail-orders"'
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": PAST},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": FUTURE},
        {"nbf": FUTURE},
        {"jti": None},
        {"type": None},
        {"type": "refresh"},
        {"sub": None},
        {"sub": 7},
        {"sub": {"$ne": None}},
        {"iss": "somebody"},
        {"iss": None},
        {"aud": "somebody"},
        {"aud": None},
        {"typ": "JWT"},
    ],
)
def test_token_with_wrong_or_missing_claim_returns_401(service: OrderService, changes: dict[str, Any]) -> None:
    answer = ask(service, f"Bearer {service.server.token('alice', **changes)}")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="retail-orders", error="invalid_token"'


def test_forged_token_returns_401(service: OrderService) -> None:
    good = service.server.token("alice")
    claims = jwt.decode(good, options={"verify_signature": False})
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}
    other_key = jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers=header)
    public = service.server.private["k1"].public_key().public_bytes_raw()
    forged = [
        "x",
        "a.b.c",
        good[:-4],
        good + "x",
        other_key,
        unsigned(header | {"alg": "none"}, claims),
        jwt.encode(claims, public, "HS256", headers=header | {"alg": "HS256"}),
        unsigned(header | {"kid": ["k1"]}, claims),
        unsigned({"alg": "EdDSA"}, claims),
        unsigned(header, claims | {"exp": 1e400}),
        "é.é.é",
    ]

    for token in forged:
        answer = ask(service, f"Bearer {token}")
        assert (answer.status_code, answer.json["status"]) == (401, 401), token
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_bearer_scheme_is_case_insensitive(service: OrderService) -> None:
    assert ask(service, f"bearer {service.server.token('alice')}").status_code == 200


def test_request_with_token_returns_503_until_keys_are_fetched(tmp_path: Path) -> None:
    server = FakeJwksServer()
    server.is_up = False
    service = OrderService(tmp_path, server=server)
    unavailable = ask(service, f"Bearer {server.token('alice')}")
    server.is_up = True
    service.keys.refresh()
    served = ask(service, f"Bearer {server.token('alice')}")

    assert (unavailable.status_code, unavailable.json["type"]) == (503, "unavailable")
    assert served.status_code == 200


def test_keys_are_kept_while_auth_api_is_down(service: OrderService) -> None:
    service.server.is_up = False
    service.keys.refresh()

    assert ask(service, f"Bearer {service.server.token('alice')}").status_code == 200


def test_token_returns_503_while_its_new_key_cannot_be_fetched(service: OrderService) -> None:
    service.server.rotate("k2")
    service.server.is_up = False
    answer = ask(service, f"Bearer {service.server.token('alice', 'k2')}")

    assert (answer.status_code, answer.json["type"]) == (503, "unavailable")
    assert ask(service, f"Bearer {service.server.token('alice')}").status_code == 200


def test_new_key_is_fetched_at_most_every_30_seconds(service: OrderService) -> None:
    service.server.rotate("k2")
    met = ask(service, f"Bearer {service.server.token('alice', 'k2')}")
    service.server.rotate("k3")
    token = service.server.token("alice", "k3")
    too_soon = ask(service, f"Bearer {token}")
    fetches = service.server.fetches
    service.clock.advance(UNKNOWN_KID_SECONDS)
    later = ask(service, f"Bearer {token}")

    assert [met.status_code, too_soon.status_code, later.status_code] == [200, 401, 200]
    assert fetches == 2  # one fetch at startup and one for the new key k2


def test_verified_token_is_cached_until_its_key_is_withdrawn(
    service: OrderService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.server.rotate("k2")
    service.keys.refresh()
    token = service.server.token("alice", "k2")
    first = ask(service, f"Bearer {token}")
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "decode_token", None)
        second = ask(service, f"Bearer {token}")
    del service.server.private["k2"]
    service.keys.refresh()
    withdrawn = ask(service, f"Bearer {token}")

    assert [first.status_code, second.status_code, withdrawn.status_code] == [200, 200, 401]


def test_cached_token_expires(service: OrderService, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = datetime.now(UTC) - timedelta(seconds=5)  # expired, but within the leeway of verification
    header = f"Bearer {service.server.token('alice', exp=ends)}"
    first = ask(service, header)
    monkeypatch.setattr(tokens, "decode_token", None)

    assert first.status_code == 200
    assert ask(service, header).status_code == 401


def test_tokens_beyond_the_cache_limit_are_still_accepted(
    service: OrderService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "CACHE_LIMIT", 2)
    headers = [f"Bearer {service.server.token('alice', jti=str(n))}" for n in range(4)]

    for header in headers * 2:
        assert ask(service, header).status_code == 200


def test_identity_comes_only_from_the_token(service: OrderService) -> None:
    service.place(order(userid="bob"), user="bob")

    assert service.read("?userid=bob").status_code == 403
    assert service.read("?userid=bob", user="bob").json["items"][0]["userid"] == "bob"
