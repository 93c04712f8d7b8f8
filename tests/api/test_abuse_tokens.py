"""Hostile tokens get 401 with a challenge at both endpoints that need a token, and nothing is stored."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from werkzeug.test import TestResponse

from support.abuse import BothApis, assert_rejected
from support.order_api import FakeJwksServer, order

NOW = datetime.now(UTC)
HEADER = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}
Forge = Callable[[FakeJwksServer], str]


def claims(**changes: Any) -> dict[str, Any]:
    good = {
        "iss": "retail-orders",
        "aud": "retail-orders",
        "sub": "alice",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 900,
        "jti": "1",
        "type": "access",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(server: FakeJwksServer, header: Any, payload: Any, key: Ed25519PrivateKey | None = None) -> str:
    """Return a token with any header and payload, even ones that libraries refuse to sign. Default key: k1."""
    signing_input = f"{part(header)}.{part(payload)}"
    return f"{signing_input}.{part((key or server.private['k1']).sign(signing_input.encode()))}"


def with_claims(**changes: Any) -> Forge:
    return lambda server: signed(server, HEADER, claims(**changes))


def with_header(**changes: Any) -> Forge:
    header = {name: value for name, value in (HEADER | changes).items() if value is not None}
    return lambda server: signed(server, header, claims())


def without_signature(algorithm: str) -> Forge:
    return lambda _: f"{part(HEADER | {'alg': algorithm})}.{part(claims())}."


def hmac_with_public_key(encoding: Encoding, form: PublicFormat) -> Forge:
    def forge(server: FakeJwksServer) -> str:
        secret = server.private["k1"].public_key().public_bytes(encoding, form)
        signing_input = f"{part(HEADER | {'alg': 'HS256'})}.{part(claims())}"
        return f"{signing_input}.{part(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"

    return forge


def with_attackers_key(**header: Any) -> Forge:
    """Return a function that forges a token signed with the attacker's own key.

    `header` adds or replaces fields of the header; the value "jwk" stands for the attacker's public key.
    """
    own = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": part(own.public_key().public_bytes_raw())}
    filled = {name: jwk if value == "jwk" else value for name, value in header.items()}
    return lambda server: signed(server, HEADER | filled, claims(), own)


def other_algorithm(key: Any, algorithm: str) -> Forge:
    return lambda _: jwt.encode(claims(), key, algorithm, headers=HEADER | {"alg": algorithm})


def altered(change: Callable[[str], str]) -> Forge:
    return lambda server: change(signed(server, HEADER, claims()))


def swap_payload(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{part(claims(sub='bob'))}.{signature}"


HOSTILE: dict[str, Forge] = {
    "algorithm none": without_signature("none"),
    "algorithm NONE": without_signature("NONE"),
    "algorithm empty": without_signature(""),
    "no signature": without_signature("EdDSA"),
    "HS256 with the public key, raw": hmac_with_public_key(Encoding.Raw, PublicFormat.Raw),
    "HS256 with the public key, PEM": hmac_with_public_key(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "RS256": other_algorithm(rsa.generate_private_key(65537, 2048), "RS256"),
    "ES256": other_algorithm(ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "algorithm as a list": with_header(alg=["EdDSA"]),
    "algorithm missing": with_header(alg=None),
    "another key of the same name": with_attackers_key(),
    "own key in jwk": with_attackers_key(jwk="jwk"),
    "own key in jwk, no kid": with_attackers_key(jwk="jwk", kid=None),
    "own key by jku": with_attackers_key(jku="https://evil.example/jwks.json"),
    "own key by x5u": with_attackers_key(x5u="https://evil.example/cert.pem"),
    "own key in x5c": with_attackers_key(x5c=["MIIB"]),
    "kid missing": with_header(kid=None),
    "kid unknown": with_header(kid="k2"),
    "kid a path": with_header(kid="../../../../dev/null"),
    "kid an SQL": with_header(kid="k1' UNION SELECT 'secret"),
    "kid a number": with_header(kid=1),
    "kid a list": with_header(kid=["k1"]),
    "kid an object": with_header(kid={"$ne": None}),
    "kid with a null byte": with_header(kid="k1\0"),
    "kid of 6,000 characters": with_header(kid="k" * 6000),
    "critical extension": with_header(crit=["exp"], exp=1),
    "critical unknown extension": with_header(crit=["x-unknown"], **{"x-unknown": 1}),
    "unencoded payload": with_header(b64=False, crit=["b64"]),
    "type JWT": with_header(typ="JWT"),
    "type missing": with_header(typ=None),
    "type of a refresh token": with_claims(type="refresh"),
    "type claim missing": with_claims(type=None),
    "expired": with_claims(exp=int(NOW.timestamp()) - 60),
    "never expires": with_claims(exp=None),
    "lives longer than any issued token": with_claims(exp=int(NOW.timestamp()) + 901),
    "expiry as text": with_claims(exp="tomorrow"),
    "expiry infinite": lambda server: signed(
        server, HEADER, json.dumps(claims()).encode().replace(b"}", b', "exp": 1e999}')
    ),
    "expiry an object": with_claims(exp={"$gt": 0}),
    "not yet valid": with_claims(nbf=int((NOW + timedelta(hours=1)).timestamp())),
    "issued in the future": with_claims(iat=int((NOW + timedelta(hours=1)).timestamp())),
    "issue time missing": with_claims(iat=None),
    "id missing": with_claims(jti=None),
    "subject missing": with_claims(sub=None),
    "subject a number": with_claims(sub=1),
    "subject a list": with_claims(sub=["alice"]),
    "subject an operator": with_claims(sub={"$ne": None}),
    "issuer missing": with_claims(iss=None),
    "issuer other": with_claims(iss="retail-orders.evil.example"),
    "issuer as a list": with_claims(iss=["retail-orders"]),
    "audience missing": with_claims(aud=None),
    "audience other": with_claims(aud="other"),
    "audience a prefix": with_claims(aud="retail"),
    "payload of another user": altered(swap_payload),
    "signature cut": altered(lambda token: token[:-2]),
    "signature empty bytes": altered(lambda token: token.rpartition(".")[0] + "." + part(b"\0" * 64)),
    "payload no JSON": lambda server: signed(server, HEADER, b"not json"),
    "payload an array": lambda server: signed(server, HEADER, []),
    "payload nested 5,000 deep": lambda server: signed(server, HEADER, b"[" * 5000),
    "header an array": lambda server: signed(server, [], claims()),
    "header no JSON": lambda server: signed(server, b"\xff\xfe", claims()),
    "four parts": altered(lambda token: token + ".x"),
    "two parts": altered(lambda token: token.rpartition(".")[0]),
    "no base64": lambda _: "!!!.???.***",
    "only dots": lambda _: "..",
    "8 KB": lambda server: signed(server, HEADER, claims(pad="x" * 6000)) + "x",
    "an encrypted token": lambda _: ".".join(
        [part({"alg": "dir", "enc": "A256GCM"}), "", part(b"x"), part(b"y"), part(b"z")]
    ),
    "two tokens": altered(lambda token: f"{token}, Bearer {token}"),
    "not ASCII": lambda _: "é.ü.ß",
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothApis]:
    both = BothApis(tmp_path_factory.mktemp("both"))
    yield both
    assert both.orders.documents == {}


def ask(both: BothApis, token: str, method: str) -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"}
    if method == "POST":
        return both.orders.client.post("/order", json=order(), headers=headers)
    return both.orders.client.get("/orderdetails?userid=alice", headers=headers)


def test_at_least_45_hostile_tokens_exist() -> None:
    assert len(HOSTILE) >= 45


def test_valid_token_signed_like_the_hostile_ones_is_accepted(tmp_path: Path) -> None:
    """If this token were rejected, the rejection of hostile tokens would prove nothing."""
    both = BothApis(tmp_path)
    token = signed(both.orders.server, HEADER, claims())

    assert ask(both, token, "POST").status_code == ask(both, token, "GET").status_code == 200


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("forge", HOSTILE.values(), ids=HOSTILE)
def test_hostile_token_returns_401_with_challenge(both: BothApis, forge: Forge, method: str) -> None:
    answer = ask(both, forge(both.orders.server), method)

    assert_rejected(answer, 401)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="retail-orders", error="invalid_token"'


@pytest.mark.parametrize("place", ["query", "body", "cookie", "basic", "x-header"])
def test_token_not_sent_as_bearer_authorization_is_ignored(both: BothApis, place: str) -> None:
    token = both.orders.server.token("alice")
    client = both.orders.client
    if place == "cookie":
        client.set_cookie("access_token_cookie", token)
    answer = {
        "query": lambda: client.get(f"/orderdetails?userid=alice&access_token={token}&jwt={token}"),
        "body": lambda: client.post("/order", json=order() | {"access_token": token}),
        "cookie": lambda: client.get("/orderdetails?userid=alice"),
        "basic": lambda: client.get("/orderdetails?userid=alice", auth=("alice", token)),
        "x-header": lambda: client.get("/orderdetails?userid=alice", headers={"X-Authorization": f"Bearer {token}"}),
    }[place]()

    assert_rejected(answer, 401)


def test_order_api_accepts_a_token_of_auth_api(tmp_path: Path) -> None:
    """Neither service imports the other: only the published keys and the token's format connect them."""
    both = BothApis(tmp_path)
    both.orders.server.private = {"k1": both.auth.keys.signer().private}
    both.auth.clock.now = datetime.now(UTC)
    both.orders.keys.refresh()
    token = both.auth.token("alice").get_json()["access_token"]

    assert ask(both, token, "POST").status_code == ask(both, token, "GET").status_code == 200
