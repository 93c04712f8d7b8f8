"""locks/install.sh with a fake Python, in temporary folders."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "locks" / "install.sh"
# A fake Python: `-m venv` makes a .venv with a copy of this script and a fake uv. The file `calls` gets a line for each
# call of venv, pip and uv.
PYTHON = """#!/bin/sh
case "$*" in
*"-m venv .venv"*)
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python
    printf '#!/bin/sh\\necho "$@" >>calls\\n[ -z "$FAIL_UV" ] || { echo "no network" >&2; exit 1; }\\n' >.venv/bin/uv
    chmod +x .venv/bin/uv
    echo venv >>calls ;;
*"-m pip"*)
    echo pip >>calls
    [ -z "$FAIL_PIP" ] || { echo "WARNING: retrying"; echo "ERROR: no matching distribution"; exit 1; } ;;
*version_info*) exit "${TOO_OLD:-0}" ;;
*ensurepip*) exit "${NO_VENV:-0}" ;;
--version) echo "Python 3.9.2" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose path has a blank and non-ASCII letters."""
    folder = tmp_path / "my chéckout"
    (folder / "locks").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / "locks")
    (folder / "python").write_text(PYTHON)
    (folder / "python").chmod(0o755)
    return folder


def install(checkout: Path, which: str = "run", **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout), "PYTHON": str(checkout / "python")} | variables
    return subprocess.run(
        [checkout / "locks" / "install.sh", which],
        env={name: value for name, value in environment.items() if value},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def calls(checkout: Path) -> list[str]:
    file = checkout / "calls"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def test_each_mode_installs_its_lock_file_and_writes_a_marker(checkout: Path) -> None:
    assert install(checkout).returncode == 0
    assert calls(checkout)[:3] == [
        "venv",
        "pip",
        "pip sync --require-hashes locks/run.txt locks/bootstrap.txt --quiet --python .venv/bin/python",
    ]
    assert (checkout / ".venv/.ready-run").exists()
    assert not (checkout / ".venv/.ready").exists()

    assert install(checkout, "dev").returncode == 0
    assert calls(checkout)[0].startswith("pip sync --require-hashes locks/dev.txt ")
    assert (checkout / ".venv/.ready").exists()


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_moved_or_copied_venv_is_created_again(checkout: Path, move: object) -> None:
    install(checkout)
    calls(checkout)
    other = checkout.with_name("other")
    assert callable(move)
    move(checkout, other)

    done = install(other)

    assert (done.returncode, "setup: making .venv" in done.stderr) == (0, True)
    assert calls(other)[:2] == ["venv", "pip"]
    assert (other / ".venv/.made-in").read_text() == f"{other.resolve()}\n"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"PYTHON": "python3.99"}, "there is no program python3.99: install Python 3.11 or newer, or name one"),
        ({"TOO_OLD": "1"}, "Python 3.9.2 is too old: Python 3.11 or newer is needed"),
        ({"NO_VENV": "1"}, "this Python has no venv module: install it"),
        (
            {"FAIL_PIP": "1"},
            "the package registry cannot be reached, or lacks a package (details: .venv/install.log).",
        ),
        (
            {"FAIL_UV": "1"},
            "the package registry cannot be reached, or lacks a package (details: .venv/install.log).",
        ),
    ],
)
def test_installation_fails_with_one_clear_error(checkout: Path, variables: dict[str, str], sentence: str) -> None:
    done = install(checkout, **variables)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"setup: {sentence}")
    assert not list(checkout.glob(".venv/.ready*"))


def test_missing_home_and_tmpdir_are_replaced(checkout: Path) -> None:
    done = install(checkout, HOME="", TMPDIR="/nonexistent/tmp")

    assert done.returncode == 0
    assert (
        "the user's cache (/dev/null/.cache) cannot be written: downloads are kept in .cache of this checkout"
        in done.stderr
    )
    assert "TMPDIR (/nonexistent/tmp) is not a folder that can be written: using /tmp" in done.stderr


def test_failed_installation_removes_the_earlier_marker(checkout: Path) -> None:
    install(checkout, "dev")

    assert install(checkout, "dev", FAIL_UV="1").returncode == 1
    assert not list(checkout.glob(".venv/.ready*"))
