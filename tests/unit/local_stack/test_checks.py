"""A requirement that the machine lacks is reported in one sentence with its fix."""

import os
import platform
import pwd
import resource
import tempfile
from pathlib import Path

import pytest

from local_stack import checks, jars
from local_stack.errors import StackError


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("libcurl.so.4: cannot open shared object file: No such file or directory", "apt install libcurl4"),
        ("libcrypto.so.3: cannot open shared object file: No such file or directory", "apt install libssl3"),
        ("/lib/x86_64-linux-gnu/libc.so.6: version GLIBC_2.34 not found", "glibc 2.34 or newer"),
        ("something else", "MongoDB cannot run: .*something else"),
    ],
)
def test_missing_library_is_named_with_its_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str, sentence: str
) -> None:
    mongod = tmp_path / "mongod"
    mongod.write_text(f'#!/bin/sh\necho "mongod: error while loading shared libraries: {words}" >&2\nexit 127\n')
    mongod.chmod(0o700)
    monkeypatch.setattr(checks, "BINARY", mongod)

    with pytest.raises(StackError, match=sentence):
        checks.machine()


def test_unsupported_processor_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    with pytest.raises(StackError, match="runs on Linux on x86-64, not on Linux on aarch64"):
        checks.machine()


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return a list to which each call of setrlimit adds its (soft, hard) limits, instead of setting them."""
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: made.append(pair))
    return made


def test_soft_limit_of_open_files_is_raised_to_hard_limit(
    monkeypatch: pytest.MonkeyPatch, limits: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, 4096))

    checks.raise_file_limit()

    assert limits == [(4096, 4096)]


def test_low_hard_limit_of_open_files_is_reported(
    monkeypatch: pytest.MonkeyPatch, limits: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, 512))

    with pytest.raises(StackError, match=r"may open only 512 files here, .* need 1024: raise the hard limit"):
        checks.raise_file_limit()
    assert limits == [(512, 512)]


def test_unusable_tmpdir_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))

    checks.find_temporary_folder()

    assert Path(os.environ["TMPDIR"]).is_dir()


def test_missing_temporary_folder_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", none)

    with pytest.raises(StackError, match="no folder for temporary files: set TMPDIR"):
        checks.find_temporary_folder()


def test_root_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StackError, match=r"file/root cannot be written \(Not a directory\).*--root FOLDER"):
        checks.create_root(tmp_path / "file" / "root")


def test_error_names_the_user_who_owns_the_root_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(StackError, match=f"belongs to {pwd.getpwuid(os.getuid()).pw_name}: run this command as"):
        checks.create_root(tmp_path / "root")


def test_user_without_a_name_is_named_by_number() -> None:
    assert checks._user_name(4_123_456) == "user 4123456"


def test_cache_is_in_the_checkout_when_home_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(jars, "REPOSITORY", tmp_path / "checkout")

    for home in (tmp_path / "file", None):
        monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", str(home))

        assert jars.cache() == tmp_path / "checkout" / ".cache" / "retail-orders"
        assert jars.cache().is_dir()


def test_lack_of_a_writable_folder_for_kafkas_jars_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(jars, "REPOSITORY", tmp_path / "file")

    with pytest.raises(StackError, match="Kafka's jars need a folder that can be written: set XDG_CACHE_HOME"):
        jars.cache()
