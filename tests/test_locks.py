"""Lock files, workspace members and the installer: which package is installed where."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MEMBERS = ("shared", "services/*", "local", "cli", "loadtest")


COMMAND_LINE = {"typer", "rich", "pydantic"}
LOCKS = {
    "order-api": {
        "present": {"flask", "gunicorn", "pyjwt", "confluent-kafka", "pymongo"},
        "absent": {"argon2-cffi", *COMMAND_LINE},
    },
    "auth-api": {
        "present": {"flask", "gunicorn", "pyjwt", "argon2-cffi", "pymongo"},
        "absent": {"confluent-kafka", *COMMAND_LINE},
    },
    "order-processor": {
        "present": {"confluent-kafka", "pymongo"},
        "absent": {"flask", "gunicorn", "pyjwt", "argon2-cffi", "cryptography", *COMMAND_LINE},
    },
    "operator": {
        "present": {"confluent-kafka", "pymongo", "typer", "rich", "flask"},
        "absent": {"gunicorn", "pyjwt", "argon2-cffi", "cryptography"},
    },
}
TEST_TOOLS = {"pytest", "ruff", "mypy", "hypothesis"}
NOT_IN_IMAGES = {*TEST_TOOLS, "aiohttp", "httpx"}


@pytest.mark.parametrize("service", LOCKS)
def test_service_lock_has_required_and_no_forbidden_packages(service: str) -> None:
    text = (ROOT / f"locks/{service}.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))

    assert LOCKS[service]["present"] <= locked
    assert locked & (LOCKS[service]["absent"] | NOT_IN_IMAGES) == set()


def test_dev_lock_contains_run_lock_which_has_no_test_tools() -> None:
    """All members of the workspace share one .venv, so tests use the versions that `make run` uses."""
    run, whole = (
        set(re.findall(r"^([a-z0-9-]+==\S+)", (ROOT / f"locks/{name}.txt").read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("run", "dev")
    )

    assert len(run) > 50
    assert run < whole
    assert {package.partition("==")[0] for package in run} & TEST_TOOLS == set()


@pytest.mark.parametrize("lock", sorted(path.name for path in (ROOT / "locks").glob("*.txt")))
def test_locks_pin_hashes_and_contain_no_urls(lock: str) -> None:
    text = (ROOT / "locks" / lock).read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9-]+==.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", text, re.MULTILINE)

    assert len(packages) == len(re.findall(r"^[a-z]", text, re.MULTILINE)) > 0
    assert "://" not in text


def test_all_members_support_the_same_python_versions() -> None:
    members = [
        tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for member in MEMBERS
        for path in ROOT.glob(f"{member}/pyproject.toml")
    ]
    versions = [f"Programming Language :: Python :: 3.{minor}" for minor in range(11, 15)]

    assert len(members) >= 7
    assert {(member["requires-python"], *member["classifiers"]) for member in members} == {(">=3.11", *versions)}


def test_installer_does_not_set_a_python_version() -> None:
    """With a Python version, `uv pip sync` would choose wheels for that version, not for the Python in `.venv`."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]

    assert "pip" not in settings
    assert "--python-version 3.11" in (ROOT / "locks/compile.sh").read_text(encoding="utf-8")
