"""The settings of auth-api, read from the environment."""

import os
from pathlib import Path

from shared.config.service_settings import HttpSettings
from shared.config.settings import env, folder, integer, settings

CGROUP_CPU = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(cgroup: Path = CGROUP_CPU) -> int:
    """Return how many cores the CPU affinity and the cgroup v2 quota allow this process to use, at least 1."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = cgroup.read_text(encoding="ascii").split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup v2, or the quota is "max"
        return cores


def hash_slots(text: str) -> int:
    """Parse a number of slots from 1 to 64; `cores` means one slot for each usable core."""
    return usable_cores() if text == "cores" else integer(1, 64)(text)


@settings
class Settings(HttpSettings):
    """The environment variables of auth-api."""

    keys_dir: Path = env(
        "AUTH_KEYS_DIR", folder, help="directory of Ed25519 private keys, `<kid>.pem`; all are published"
    )
    signing_kid: str = env("AUTH_SIGNING_KID", default="", help="id of the key that signs; empty: the last by name")
    jwks_cache_seconds: int = env(
        "AUTH_JWKS_CACHE_SECONDS",
        integer(0, 86_400),
        default="300",
        help="seconds that verifiers may cache the public keys; a new key signs once it was published for this long",
    )
    issuer: str = env("AUTH_ISSUER", default="retail-orders", help="`iss` of the tokens")
    audience: str = env("AUTH_AUDIENCE", default="retail-orders", help="`aud` of the tokens")
    registrations_per_address: int = env(
        "AUTH_REGISTRATIONS_PER_ADDRESS",
        integer(1, 1_000),
        default="300",
        help="users that one address may register in 5 minutes, over all replicas",
    )
    hash_slots: int = env(
        "HASH_SLOTS",
        hash_slots,
        default="cores",
        help="concurrent password checks, and a quarter as many registrations; `cores`: the usable CPU cores",
    )
