"""Unusual passwords, long passwords, and a hundred concurrent logins."""

import threading
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from auth_api.passwords import Passwords
from support.abuse import assert_rejected
from support.auth_api import CHEAP, PASSWORD, WAITERS, AuthService, basic, write_key
from support.wait import until

ODD = {
    "null bytes": "\0" * 8,
    "a null byte": "before\0after",
    "colons": ":::::::::",
    "blanks": "         ",
    "control characters": "\x01\x02\x03\x04\x05\x06\x07\x08",
    "line ends": "one\r\ntwo\r\nthree",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽",
    "right to left": "كلمة السر الطويلة",
    "128 characters": "x" * 127 + "y",
    "128 characters of 4 bytes": "😀" * 127 + "😁",
    "128 Hangul syllables, decomposed": unicodedata.normalize("NFD", "한" * 127 + "글"),
}


@pytest.fixture
def auth(tmp_path: Path) -> AuthService:
    write_key(tmp_path, "k1")
    return AuthService(tmp_path)


@pytest.mark.parametrize("password", ODD.values(), ids=ODD)
def test_unusual_password_works_and_similar_ones_fail(auth: AuthService, password: str) -> None:
    assert auth.register("alice", password).status_code == 201

    assert auth.token("alice", password).status_code == 200
    for form in ("NFC", "NFD"):
        assert auth.token("alice", unicodedata.normalize(form, password)).status_code == 200
    for other in (password[:-1], password + "x", password.replace("\0", ""), password.strip()):
        if other != password:
            assert_rejected(auth.token("alice", other), 401)


@pytest.mark.parametrize("length", [0, 1, 7, 129, 1000, 60_000])
def test_new_password_of_wrong_length_returns_422_without_hashing(
    auth: AuthService, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = Mock(wraps=auth.passwords.hash)
    monkeypatch.setattr(auth.passwords, "hash", hashed)

    assert_rejected(auth.register("alice", "x" * length), 422)
    hashed.assert_not_called()


def test_registration_with_password_of_a_megabyte_returns_413(auth: AuthService) -> None:
    assert_rejected(auth.register("alice", "x" * 2**20), 413)


@pytest.mark.parametrize("length", [129, 1000, 6000, 2**20])
def test_overlong_login_password_returns_401_without_hashing(
    auth: AuthService, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth.register("alice")
    verify = Mock(wraps=auth.passwords.verify)
    monkeypatch.setattr(auth.passwords, "verify", verify)

    assert_rejected(auth.client.get("/api/token", headers=basic("alice", "x" * length)), 401)
    verify.assert_not_called()


def test_password_is_case_sensitive(auth: AuthService) -> None:
    auth.register("alice", "Correct Horse")

    assert auth.token("alice", "Correct Horse").status_code == 200
    assert_rejected(auth.token("alice", "correct horse"), 401)


class SlowPasswords(Passwords):
    """Passwords whose `verify` waits until `go` is set; `most` is the highest number of concurrent `verify` calls."""

    def __init__(self) -> None:
        super().__init__(**CHEAP)
        self.go = threading.Event()
        self.go.set()
        self.in_hand = self.most = 0
        self._count = threading.Lock()

    def verify(self, stored: str | None, password: str) -> bool:
        with self._count:
            self.in_hand += 1
            self.most = max(self.most, self.in_hand)
        self.go.wait(20)
        try:
            return super().verify(stored, password)
        finally:
            with self._count:
                self.in_hand -= 1


def test_logins_beyond_hash_slots_and_waiters_return_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 parallel logins, two compute a hash at a time, to bound the memory, and WAITERS more wait for a slot."""
    write_key(tmp_path, "k1")
    passwords = SlowPasswords()
    auth = AuthService(tmp_path, passwords=passwords)
    monkeypatch.setattr(auth.slots, "_wait", 20)
    auth.register("alice")
    passwords.go.clear()

    def login(number: int) -> int:
        headers = basic("alice", PASSWORD) | {"X-Forwarded-For": f"192.0.2.{number}"}
        answer = auth.client.application.test_client().get("/api/token", headers=headers)
        if answer.status_code == 503:
            assert_rejected(answer, 503)
            assert answer.headers["Retry-After"] == "1"
        return answer.status_code

    with ThreadPoolExecutor(100) as pool:
        logins = [pool.submit(login, number) for number in range(100)]
        until(lambda: sum(each.done() for each in logins) == 100 - 2 - WAITERS, "all other logins to be rejected")
        passwords.go.set()
        answers = Counter(each.result(30) for each in logins)

    assert answers == {200: 2 + WAITERS, 503: 100 - 2 - WAITERS}
    assert passwords.most == 2
