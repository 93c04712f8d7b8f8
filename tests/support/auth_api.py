"""auth-api on fakes, for tests that send requests to it."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from auth_api.app import create_app
from auth_api.passwords import Passwords
from auth_api.settings import Settings
from auth_api.signing_keys import SigningKeys
from auth_api.slots import Slots
from fakes.auth import FakeFailures, FakeKeyRecords, FakeUsers
from support.clock import Clock
from support.pki import authority

PASSWORD = "correct horse battery staple"
WAITERS = 16
CACHE_SECONDS = 300  # the default of AUTH_JWKS_CACHE_SECONDS
CHEAP = {"memory_kib": 8, "passes": 1}


def write_key(folder: Path, kid: str) -> Ed25519PrivateKey:
    """Write a new private key into the key folder and return it."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{kid}.pem").write_bytes(pem)
    return key


def settings(folder: Path, **values: str) -> Settings:
    """Return settings for tests that contact no MongoDB."""
    ca = folder / "ca.crt"
    ca.write_bytes(authority())
    environ = {
        "MONGODB_URI": "mongodb://nowhere",
        "MONGODB_CA_FILE": str(ca),
        "AUTH_KEYS_DIR": str(folder),
    }
    return Settings.from_env(environ | values)


def basic(name: str, password: str) -> dict[str, str]:
    """Return the header for HTTP Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@dataclass
class AuthService:
    """One replica of auth-api. Several replicas may share the stores."""

    folder: Path
    users: FakeUsers = field(default_factory=FakeUsers)
    clock: Clock = field(default_factory=Clock)
    failures: FakeFailures | None = None
    key_records: FakeKeyRecords | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    passwords: Passwords = field(default_factory=lambda: Passwords(**CHEAP))
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.failures = self.failures or FakeFailures(self.clock)
        self.key_records = self.key_records or FakeKeyRecords(self.clock)
        self.keys = SigningKeys(
            self.folder, self.key_records.publish, cache_seconds=CACHE_SECONDS, clock=self.clock.seconds
        )
        self.keys.refresh()
        self.slots, self.registration_slots = Slots(2, waiters=WAITERS), Slots(1, waiters=WAITERS)
        app = create_app(
            settings(self.folder),
            users=self.users,
            failures=self.failures,
            keys=self.keys,
            registry=self.registry,
            passwords=self.passwords,
            slots=self.slots,
            registration_slots=self.registration_slots,
            now=self.clock,
        )
        self.client = app.test_client()

    def replica(self) -> "AuthService":
        """Return another replica with the same stores and keys."""
        return AuthService(self.folder, self.users, self.clock, self.failures, self.key_records)

    def register(self, name: str = "alice", password: str = PASSWORD) -> TestResponse:
        return self.client.post("/api/users", json={"username": name, "password": password})

    def token(self, name: str = "alice", password: str = PASSWORD, address: str = "192.0.2.1") -> TestResponse:
        return self.client.get("/api/token", headers=basic(name, password) | {"X-Forwarded-For": address})

    def logins(self, result: str) -> float:
        """Return the number of logins with this result."""
        return self.registry.get_sample_value("retail_logins_total", {"result": result}) or 0.0


def claims(auth: AuthService, token: str) -> dict[str, Any]:
    """Check the token with the published keys, but ignore its times; return its claims."""
    kid = jwt.get_unverified_header(token)["kid"]
    (key,) = [k for k in auth.client.get("/.well-known/jwks.json").get_json()["keys"] if k["kid"] == kid]
    return jwt.decode(
        token,
        jwt.PyJWK(key),
        algorithms=["EdDSA"],
        audience="retail-orders",
        issuer="retail-orders",
        options={"verify_exp": False, "verify_iat": False},  # the service's clock is set to 2030
    )


def kids(keys: SigningKeys) -> list[str]:
    """Return the ids of the published keys."""
    return [key["kid"] for key in keys.published()["keys"]]


def refreshed(keys: SigningKeys) -> SigningKeys:
    """Refresh the keys and return them."""
    keys.refresh()
    return keys
