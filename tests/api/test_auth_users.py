"""Registrations: POST /api/users."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from auth_api.throttle import MAX_PER_USER, RegistrationLimit, Throttle
from shared.store import OutcomeUnknown, StoreUnavailable
from support.auth_api import PASSWORD, AuthService, write_key
from support.wait import until


@pytest.fixture
def auth(tmp_path: Path) -> AuthService:
    write_key(tmp_path, "a")
    return AuthService(tmp_path)


def test_registered_user_can_log_in(auth: AuthService) -> None:
    answer = auth.register("alice")

    assert (answer.status_code, answer.get_json()) == (201, {"username": "alice"})
    assert auth.token("alice").status_code == 200


def test_only_the_password_hash_is_stored(auth: AuthService) -> None:
    auth.register("alice")

    assert auth.users.hashes["alice"].startswith("$argon2id$")
    assert PASSWORD not in auth.users.hashes["alice"]


def test_taken_name_returns_409_and_keeps_its_password(auth: AuthService) -> None:
    auth.register("alice")
    answer = auth.register("alice", "another long password")

    assert (answer.status_code, answer.content_type) == (409, "application/problem+json")
    assert auth.token("alice").status_code == 200


def test_each_registration_and_login_is_logged_as_security_event(auth: AuthService) -> None:
    with capture_logs() as lines:
        auth.register("alice")
        auth.register("alice")
        auth.register("bob", "short")
        auth.token("alice", address="192.0.2.1")
        auth.token("alice", "another long password", address="192.0.2.2")
    events = [line for line in lines if line["event"] == "security_event"]

    assert [tuple(event[key] for key in ("action", "user", "outcome", "address")) for event in events] == [
        ("registration", "alice", "ok", "127.0.0.1"),
        ("registration", "alice", "NameTaken", "127.0.0.1"),
        ("registration", "bob", "InvalidAccount", "127.0.0.1"),
        ("login", "alice", "ok", "192.0.2.1"),
        ("login", "alice", "WrongCredentials", "192.0.2.2"),
    ]


def test_taken_and_free_names_each_cost_one_hash(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = Mock(wraps=auth.passwords.hash)
    monkeypatch.setattr(auth.passwords, "hash", hashed)
    auth.register("alice")
    auth.register("alice")

    assert hashed.call_count == 2


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"username": "Alice", "password": PASSWORD}, ["/username"]),
        ({"username": "alice", "password": "password123"}, ["/password"]),
        ({"username": "", "password": "short"}, ["/username", "/password"]),
        ({"username": "alice"}, ["/password"]),
        ({"username": "alice", "password": PASSWORD, "admin": True}, ["/admin"]),
        ({"username": {"$ne": None}, "password": PASSWORD}, ["/username"]),
        ({"username": "alice", "password": {"$ne": None}}, ["/password"]),
        ({"username": "alice", "password": 12345678}, ["/password"]),
        ([], [""]),
    ],
)
def test_invalid_registration_returns_422_with_pointers(auth: AuthService, body: object, pointers: list[str]) -> None:
    answer = auth.client.post("/api/users", json=body)

    assert (answer.status_code, [e["pointer"] for e in answer.get_json()["errors"]]) == (422, pointers)
    assert auth.users.hashes == {}


def test_overlong_password_is_rejected_without_hashing(auth: AuthService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth.passwords, "hash", lambda _: pytest.fail("hashed"))

    assert auth.register("alice", "x" * 129).status_code == 422
    assert auth.register("alice", "x" * 60_000).status_code == 422


def test_only_one_parallel_registration_of_a_name_succeeds(auth: AuthService) -> None:
    replicas = [auth, auth.replica()]

    def register(number: int) -> int:
        return replicas[number % 2].register("alice", f"the password of {number}").status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(register, range(16)))

    assert answers.count(201) == 1
    assert set(answers) <= {201, 409, 503}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OutcomeUnknown("alice"), "outcome-unknown"),
        (StoreUnavailable(), "unavailable"),
        (StoreUnavailable(3.2), "unavailable"),
    ],
)
def test_failed_registration_write_returns_unavailable_or_outcome_unknown(
    auth: AuthService, error: Exception, kind: str
) -> None:
    auth.users.error = error
    answer = auth.register()

    assert (answer.status_code, answer.get_json()["type"]) == (503, kind)
    assert answer.headers["Retry-After"] == ("4" if getattr(error, "retry_after", 1) > 1 else "1")


def test_too_many_parallel_registrations_return_503_and_logins_continue(
    auth: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth.users.hashes["bob"] = auth.passwords.hash(PASSWORD)
    monkeypatch.setattr(auth.registration_slots, "_wait", 0.01)
    with auth.registration_slots.hold():
        answer = auth.register()
        assert auth.token("bob").status_code == 200
    del auth.users.hashes["bob"]

    assert (answer.status_code, answer.get_json()["type"], auth.users.hashes) == (503, "unavailable", {})
    assert auth.register().status_code == 201


def test_user_can_log_in_from_known_address_while_others_guess(auth: AuthService) -> None:
    assert auth.failures is not None
    auth.client.post(
        "/api/users", json={"username": "bob", "password": PASSWORD}, headers={"X-Forwarded-For": "198.51.100.1"}
    )
    throttle = Throttle(auth.failures)
    for number in range(MAX_PER_USER):
        throttle.begin("bob", f"203.0.113.{number}", is_known=False)

    assert auth.token("bob", address="198.51.100.2").status_code == 429
    assert auth.token("bob", address="198.51.100.1").status_code == 200


def test_registration_succeeds_even_if_its_address_cannot_be_recorded(
    auth: AuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth.failures, "remember", Mock(side_effect=StoreUnavailable()))

    assert auth.register("bob").status_code == 201


def test_address_that_occupies_half_of_the_registration_places_gets_429(auth: AuthService) -> None:
    """The places are the slots and the waiting places; the other half remains for other addresses."""
    release = threading.Event()
    hash_password = auth.passwords.hash

    def slow_hash(password: str) -> str:
        release.wait(30)
        return hash_password(password)

    def register(number: int, address: str) -> int:
        body = {"username": f"user{number}", "password": PASSWORD}
        answer = auth.client.application.test_client().post(
            "/api/users", json=body, headers={"X-Forwarded-For": address}
        )
        return answer.status_code

    share = auth.registration_slots.places // 2
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(40) as pool:
        patch.setattr(auth.passwords, "hash", slow_hash)
        patch.setattr(auth.registration_slots, "_wait", 30)
        greedy = [pool.submit(register, number, "192.0.2.1") for number in range(share + 5)]
        until(lambda: sum(answer.done() for answer in greedy) == 5, "the rejections")
        customer = pool.submit(register, 99, "192.0.2.2")
        release.set()

    assert sorted(answer.result() for answer in greedy) == [201] * share + [429] * 5
    assert customer.result() == 201


def test_address_with_too_many_registrations_gets_429_with_retry_after(auth: AuthService) -> None:
    assert auth.failures is not None
    for _ in range(300):
        RegistrationLimit(auth.failures, 300).count("127.0.0.1")
    answer = auth.register()

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "300")
    assert auth.users.hashes == {}
