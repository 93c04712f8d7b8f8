"""What the machine lacks is one sentence that names the fix; the loader's own words are those of glibc."""

import platform
from pathlib import Path

import pytest

from local_stack import checks
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
def test_a_missing_library_is_named_with_its_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str, sentence: str
) -> None:
    mongod = tmp_path / "mongod"
    mongod.write_text(f'#!/bin/sh\necho "mongod: error while loading shared libraries: {words}" >&2\nexit 127\n')
    mongod.chmod(0o700)
    monkeypatch.setattr(checks, "BINARY", mongod)

    with pytest.raises(StackError, match=sentence):
        checks.machine()


def test_another_processor_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    with pytest.raises(StackError, match="runs on Linux on x86-64, not on Linux on aarch64"):
        checks.machine()
