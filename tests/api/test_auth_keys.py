"""Which keys are published, which one signs, and when a new or revoked key takes effect."""

from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import jwt
import pytest

from auth_api.app import readiness_error as auth_readiness_error
from auth_api.passwords import Passwords
from auth_api.signing_keys import RECORDS_SECONDS
from order_api.app import readiness_error
from support.abuse import BothApis
from support.auth_api import CACHE_SECONDS, CHEAP, AuthService, claims, write_key


@pytest.fixture
def auth(tmp_path: Path) -> AuthService:
    write_key(tmp_path, "a")
    service = AuthService(tmp_path)
    service.register()
    return service


def later(auth: AuthService, seconds: float) -> AuthService:
    auth.clock.advance(seconds=seconds)
    auth.keys.refresh()
    return auth


def kid_of_a_new_token(auth: AuthService) -> str:
    kid: str = jwt.get_unverified_header(auth.token().get_json()["access_token"])["kid"]
    return kid


def published_kids(auth: AuthService) -> list[str]:
    return [key["kid"] for key in auth.client.get("/.well-known/jwks.json").get_json()["keys"]]


def test_new_key_is_published_immediately_and_signs_after_cache_expiry(auth: AuthService) -> None:
    former = auth.token().get_json()["access_token"]
    write_key(auth.folder, "b")
    at_once = (published_kids(later(auth, 1)), kid_of_a_new_token(auth))
    too_early = kid_of_a_new_token(later(auth, CACHE_SECONDS - 1))
    latter = later(auth, 3).token().get_json()["access_token"]

    assert (at_once, too_early) == ((["a", "b"], "a"), "a")
    assert jwt.get_unverified_header(latter)["kid"] == "b"
    assert claims(auth, former)["sub"] == claims(auth, latter)["sub"] == "alice"


def test_new_replica_uses_the_recorded_publication_time_of_a_key(auth: AuthService) -> None:
    write_key(auth.folder, "b")
    later(auth, 1)
    auth.clock.advance(seconds=CACHE_SECONDS)

    assert kid_of_a_new_token(auth.replica()) == "b"


def test_revoked_key_is_withdrawn_and_the_next_signs_without_waiting(auth: AuthService) -> None:
    write_key(auth.folder, "b")
    later(auth, 1)
    assert auth.key_records is not None
    auth.key_records.revoke("a")
    later(auth, RECORDS_SECONDS)

    assert (published_kids(auth), kid_of_a_new_token(auth)) == (["b"], "b")


def test_no_key_is_used_or_published_when_all_are_revoked(auth: AuthService) -> None:
    assert auth.key_records is not None
    auth.key_records.revoke("a")
    later(auth, RECORDS_SECONDS)

    answer = auth.client.get("/.well-known/jwks.json")
    assert (answer.status_code, answer.get_json()) == (200, {"keys": []})
    assert auth.token().status_code == 503


def test_order_api_rejects_tokens_after_the_only_key_is_revoked(tmp_path: Path) -> None:
    both = BothApis(tmp_path)
    both.auth.clock.now = datetime.now(UTC)  # flask-jwt-extended checks the expiry against the system's clock
    both.auth = both.auth.replica()
    token = {"Authorization": f"Bearer {both.auth.token().get_json()['access_token']}"}

    def fetch() -> int:
        both.orders.server.body = both.auth.client.get("/.well-known/jwks.json").data
        both.orders.keys.refresh()
        return both.orders.client.get("/orderdetails?userid=alice", headers=token).status_code

    before = fetch()
    assert both.auth.key_records is not None
    both.auth.key_records.revoke("k1")
    later(both.auth, RECORDS_SECONDS)

    assert (before, fetch()) == (200, 401)
    assert readiness_error(Mock(error=None), both.orders.store, both.orders.keys) is None


def test_replica_stays_ready_when_all_keys_are_revoked(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    """order-api must fetch the empty set of keys, and a Kubernetes Service sends requests only to ready replicas."""
    assert auth.key_records is not None
    auth.key_records.revoke("a")
    later(auth, RECORDS_SECONDS)
    monkeypatch.setattr("auth_api.app.store.ping", Mock())

    assert auth_readiness_error(Mock(error=None), auth.keys, Mock(), Mock()) is None


def test_public_keys_are_cacheable(auth: AuthService) -> None:
    answer = auth.client.get("/.well-known/jwks.json")
    again = auth.client.get("/.well-known/jwks.json", headers={"If-None-Match": answer.headers["ETag"]})

    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert (again.status_code, again.data) == (304, b"")


def test_login_and_public_keys_return_503_until_a_key_exists(tmp_path: Path) -> None:
    auth = AuthService(tmp_path, passwords=Passwords(**CHEAP))
    auth.register()
    answers = [auth.token(), auth.client.get("/.well-known/jwks.json")]
    write_key(tmp_path, "a")
    auth.keys.refresh()

    assert [(a.status_code, a.get_json()["type"]) for a in answers] == [(503, "unavailable")] * 2
    assert auth.token().status_code == 200
