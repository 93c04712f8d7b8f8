"""Password hashes, and how much memory stays in use after hashing."""

import subprocess
import sys
from unittest.mock import Mock

import pytest

from auth_api.passwords import Passwords, UnusableHash
from support.auth_api import CHEAP


def test_hash_uses_argon2id_with_19_mib_and_2_passes() -> None:
    stored = Passwords().hash("secret password")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_password_matches_only_its_own_hash() -> None:
    passwords = Passwords(**CHEAP)
    stored = passwords.hash("secret password")

    assert passwords.verify(stored, "secret password")
    assert not passwords.verify(stored, "another password")
    assert not passwords.verify(stored, "secret password\0")


@pytest.mark.parametrize("text", ["caf\xe9", "$argon2id$v=19$\xe9", "$argon2id$v=19$\udcff"])
def test_stored_text_that_is_not_ascii_is_unusable(text: str) -> None:
    with pytest.raises(UnusableHash):
        Passwords(**CHEAP).verify(text, "secret password")


def test_hash_with_old_parameters_is_outdated() -> None:
    stored = Passwords(**CHEAP).hash("secret password")

    assert Passwords(memory_kib=16, passes=1).is_outdated(stored)
    assert not Passwords(**CHEAP).is_outdated(stored)


def test_verify_for_an_unknown_user_computes_one_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(**CHEAP)
    verify = Mock(wraps=passwords._hasher.verify)
    monkeypatch.setattr(type(passwords._hasher), "verify", verify)

    assert not passwords.verify(None, "secret password")
    ((stored, _),) = [call.args for call in verify.call_args_list]
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")


STORM = """
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from auth_api.passwords import Passwords

def resident_mib():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

passwords = Passwords(threads=2)
stored = passwords.hash("a password")
before = resident_mib()
with ThreadPoolExecutor(16) as clients:
    assert not any(clients.map(lambda _: passwords.verify(stored, "another password"), range(96)))
    print(resident_mib() - before)
"""


def test_memory_stays_bounded_after_many_parallel_logins() -> None:
    """16 threads with a memory arena each would keep 300 MiB; two hashing threads keep at most 19 MiB each."""
    command = [sys.executable, "-c", STORM]
    kept = float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)

    assert kept < 3 * 19 + 10, f"{kept:.0f} MiB stay resident"
