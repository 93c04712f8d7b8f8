"""Logins: GET /api/token."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import jwt
import pytest
from structlog.testing import capture_logs

from auth_api.passwords import Passwords
from shared.http import access_token as contract
from shared.store import StoreUnavailable
from support.auth_api import PASSWORD, AuthService, claims, write_key

NFD_PASSWORD = "cafe\u0301 cafe\u0301 cafe\u0301"
NFC_PASSWORD = "caf\xe9 caf\xe9 caf\xe9"


@pytest.fixture
def auth(tmp_path: Path) -> AuthService:
    write_key(tmp_path, "a")
    service = AuthService(tmp_path)
    service.register()
    return service


def test_login_returns_a_token_and_its_expiry(auth: AuthService) -> None:
    answer = auth.token()
    body = answer.get_json()

    assert answer.status_code == 200
    assert (body["token_type"], body["expires_in"], body["expiry"]) == ("Bearer", 900, "2030-01-01T12:15:00Z")
    assert answer.headers["Cache-Control"] == "no-store"
    assert datetime.fromisoformat(body["expiry"]).timestamp() == claims(auth, body["access_token"])["exp"]


def test_token_has_every_claim_and_header_of_the_contract(auth: AuthService) -> None:
    token = auth.token().get_json()["access_token"]
    header, payload = jwt.get_unverified_header(token), claims(auth, token)

    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": "a"}
    assert not contract.is_foreign(header, payload)
    assert (payload["sub"], payload["iss"], payload["aud"], payload["type"]) == (
        "alice",
        "retail-orders",
        "retail-orders",
        "access",
    )
    assert payload["iat"] == int(datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp())
    assert set(payload) == {"sub", "iss", "aud", "exp", "iat", "jti", "type", "fresh"}


def test_every_token_has_a_unique_id(auth: AuthService) -> None:
    ids = {claims(auth, auth.token().get_json()["access_token"])["jti"] for _ in range(5)}

    assert len(ids) == 5


@pytest.mark.parametrize(
    ("name", "password"), [("alice", "another password"), ("nobody", PASSWORD), ("Alice", PASSWORD)]
)
def test_wrong_password_and_unknown_user_get_the_same_response(auth: AuthService, name: str, password: str) -> None:
    answer = auth.token(name, password)
    document = answer.get_json()
    del document["request_id"]

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="retail-orders", charset="UTF-8"'
    assert document == {
        "type": "invalid-credentials",
        "title": "Unauthorized",
        "status": 401,
        "detail": "Invalid username or password",
        "instance": "/api/token",
    }


@pytest.mark.parametrize(
    "header",
    [None, "Basic", "Basic !", "Bearer x", "Basic " + base64.b64encode(b"alice").decode(), "Basic /////w=="],
)
def test_missing_or_malformed_credentials_return_401(auth: AuthService, header: str | None) -> None:
    answer = auth.client.get("/api/token", headers={"Authorization": header} if header else {})

    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_password_in_another_unicode_form_is_accepted(auth: AuthService) -> None:
    assert auth.register("bob", NFD_PASSWORD).status_code == 201

    assert auth.token("bob", NFC_PASSWORD).status_code == 200
    assert auth.token("bob", NFD_PASSWORD).status_code == 200


def test_overlong_password_is_rejected_without_hashing(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth.passwords, "verify", lambda *_: pytest.fail("hashed"))

    assert auth.token(password="x" * 129).status_code == 401
    assert auth.token(password="x" * 5000).status_code == 401


def test_login_of_an_unknown_user_costs_one_hash(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    verify = Mock(wraps=auth.passwords.verify)
    monkeypatch.setattr(auth.passwords, "verify", verify)
    auth.token("nobody")

    verify.assert_called_once_with(None, PASSWORD)


def test_login_reads_only_once_whether_the_address_is_known(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    assert auth.failures is not None
    is_known = Mock(wraps=auth.failures.is_known)
    monkeypatch.setattr(auth.failures, "is_known", is_known)

    assert auth.token("alice").status_code == 200
    assert is_known.call_count == 1


def test_every_replica_rejects_the_eleventh_guess_without_hashing(
    auth: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = auth.replica()
    guesses = [(auth, other)[n % 2].token(password=f"wrong guess {n}").status_code for n in range(10)]
    for replica in (auth, other):
        monkeypatch.setattr(replica.passwords, "verify", lambda *_: pytest.fail("hashed"))
    answers = [replica.token() for replica in (auth, other)]

    assert guesses == [401] * 10
    assert [(a.status_code, a.headers["Retry-After"]) for a in answers] == [(429, "300")] * 2
    assert auth.logins("throttled") == other.logins("throttled") == 1


def test_login_limit_is_per_address_and_expires(auth: AuthService) -> None:
    for n in range(10):
        auth.token(password=f"wrong guess {n}")
    assert auth.token(address="192.0.2.2").status_code == 200
    auth.clock.advance(seconds=300)

    assert auth.token().status_code == 200


def test_successful_logins_do_not_count_toward_the_limit(auth: AuthService) -> None:
    assert {auth.token().status_code for _ in range(30)} == {200}


@pytest.mark.parametrize("dependency", ["users", "failures"])
def test_login_returns_503_without_mongodb(auth: AuthService, dependency: str) -> None:
    getattr(auth, dependency).error = StoreUnavailable()
    answer = auth.token()

    assert (answer.status_code, answer.get_json()["type"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert auth.logins("unavailable") == 1
    getattr(auth, dependency).error = None
    assert auth.token().status_code == 200


def test_attempts_during_a_mongodb_outage_are_not_counted(auth: AuthService) -> None:
    auth.users.error = StoreUnavailable()
    answers = {auth.token().status_code for _ in range(30)}
    auth.users.error = None

    assert answers == {503}
    assert auth.token().status_code == 200


def test_login_succeeds_even_if_its_attempt_cannot_be_removed(
    auth: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(auth.failures, "remove", remove)

    assert auth.token().status_code == 200


def test_login_replaces_a_hash_that_has_old_parameters(auth: AuthService) -> None:
    auth.users.hashes["alice"] = Passwords(memory_kib=16, passes=1).hash(PASSWORD)

    assert auth.token().status_code == 200
    assert "$m=8,t=1,p=1$" in auth.users.hashes["alice"]
    assert auth.token().status_code == 200


OTHER_SCHEMES = ["", "None", "$2b$12$abcdefghijklmnopqrstuu", "$argon2id$v=19$m=65536", "plain text", "{'a': 1}"]


@pytest.mark.parametrize("stored", OTHER_SCHEMES)
def test_login_with_an_unusable_stored_hash_returns_401(auth: AuthService, stored: str) -> None:
    wrong = auth.token(password="another password")
    auth.users.hashes["alice"] = stored
    with capture_logs() as lines:
        answer = auth.token()
    (event,) = [line for line in lines if line["event"] == "security_event"]

    assert (answer.status_code, answer.get_json()["detail"]) == (401, wrong.get_json()["detail"])
    assert (event["user"], event["outcome"]) == ("alice", "UnusableUser")
    assert auth.users.hashes["alice"] == stored


def test_login_with_an_unusable_stored_hash_costs_one_hash(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    auth.users.hashes["alice"] = "{SSHA}of another scheme"
    hashed = Mock(wraps=auth.passwords.hash)
    monkeypatch.setattr(auth.passwords, "hash", hashed)

    assert auth.token().status_code == 401
    assert hashed.call_count == 1


def test_wrong_password_does_not_replace_an_outdated_hash(auth: AuthService) -> None:
    auth.users.hashes["alice"] = former = Passwords(memory_kib=16, passes=1).hash(PASSWORD)
    auth.token(password="another password")

    assert auth.users.hashes["alice"] == former


def test_logins_are_counted_by_result(auth: AuthService) -> None:
    auth.token()
    auth.token(password="another password")
    auth.client.get("/api/token")

    assert (auth.logins("ok"), auth.logins("refused")) == (1, 2)
