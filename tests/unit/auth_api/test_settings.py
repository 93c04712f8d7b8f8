"""auth-api's settings."""

import os
from pathlib import Path

import pytest

from auth_api.settings import Settings, usable_cores
from shared.config.settings import SettingsError
from support.pki import authority


def environ(tmp_path: Path, **values: str) -> dict[str, str]:
    (tmp_path / "ca.pem").write_bytes(authority())
    return {
        "MONGODB_URI": "mongodb://auth-api:canary@mongodb",
        "MONGODB_CA_FILE": str(tmp_path / "ca.pem"),
        "AUTH_KEYS_DIR": str(tmp_path),
    } | values


def test_settings_with_defaults_may_be_omitted(tmp_path: Path) -> None:
    settings = Settings.from_env(environ(tmp_path))

    assert (settings.issuer, settings.audience, settings.signing_kid) == ("retail-orders", "retail-orders", "")
    assert settings.hash_slots == usable_cores()
    assert "canary" not in repr(settings)


def test_one_error_names_every_missing_or_invalid_variable() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"HASH_SLOTS": "0"})

    named = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert named == ["MONGODB_URI", "MONGODB_CA_FILE", "AUTH_KEYS_DIR", "HASH_SLOTS"]


@pytest.mark.parametrize(
    ("content", "cores"),
    [("50000 100000", 1), ("100000 100000", 1), ("max 100000", None), ("9900000 100000", None), ("", None)],
)
def test_cgroup_quota_limits_the_usable_cores(tmp_path: Path, content: str, cores: int | None) -> None:
    (tmp_path / "cpu.max").write_text(content)

    assert usable_cores(tmp_path / "cpu.max") == (cores or len(os.sched_getaffinity(0)))


def test_cpu_affinity_limits_the_usable_cores_without_a_cgroup(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "absent") == len(os.sched_getaffinity(0))
