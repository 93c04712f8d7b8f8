"""The complete application that gunicorn loads for auth-api, in the test process, while MongoDB is down."""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask

from auth_api.app import wsgi
from shared import mongo
from support import scrape
from support.auth_api import PASSWORD, basic, write_key
from support.free_ports import free_port
from support.pki import authority
from support.wait import until

NO_FILE = "the folder AUTH_KEYS_DIR contains no *.pem file"
END = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Set the environment variables; return the URL at which the admin port will listen."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "ca.pem").write_bytes(authority(END))
    port = free_port()
    values = {
        "ADMIN_BIND": f"127.0.0.1:{port}",
        "MONGODB_URI": f"mongodb://auth-api:canary@127.0.0.1:{free_port()}/?tls=true",
        "MONGODB_CA_FILE": str(tmp_path / "ca.pem"),
        "AUTH_KEYS_DIR": str(tmp_path / "keys"),
        "HASH_SLOTS": "8",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("shared.telemetry.log.configure", lambda *_: None)
    monkeypatch.setattr(mongo, "OPERATION_SECONDS", 0.3)
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def app(admin: str) -> Iterator[Flask]:  # noqa: ARG001 - its variables
    app = wsgi()
    yield app
    app.extensions["shutdown"]()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:  # closes the connection, which the error object owns
            return error.code, error.read().decode()


@pytest.mark.usefixtures("app")
def test_unready_process_is_live_and_names_the_reason(admin: str, tmp_path: Path) -> None:
    assert get(f"{admin}/livez") == (200, "ok")
    until(lambda: get(f"{admin}/readyz") == (503, f"no signing keys: {NO_FILE}"), "the missing file is named")
    write_key(tmp_path / "keys", "a")
    until(lambda: get(f"{admin}/readyz") == (503, "no signing keys: MongoDB is unavailable"), "MongoDB is named")


@pytest.mark.usefixtures("app")
def test_metrics_show_breaker_state_and_certificate_expiry(admin: str) -> None:
    expiry = scrape.samples(admin, "retail_certificate_expiry_timestamp_seconds")

    assert scrape.breaker_state(admin, "mongodb") == "closed"
    assert expiry == {("mongodb-ca",): END.timestamp()}


def test_mongodb_outage_returns_503_immediately_once_the_breaker_is_open(app: Flask, tmp_path: Path) -> None:
    write_key(tmp_path / "keys", "a")

    def attempt(_: int) -> tuple[int, str, bool]:
        answer = app.test_client().get("/api/token", headers=basic("alice", PASSWORD))
        return answer.status_code, answer.get_json()["type"], "Retry-After" in answer.headers

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(8)))
    started = time.perf_counter()
    answers.append(attempt(8))

    assert set(answers) == {(503, "unavailable", True)}
    assert time.perf_counter() - started < mongo.OPERATION_SECONDS / 2


def test_shutdown_stops_every_thread_and_closes_every_port(admin: str) -> None:
    before = set(threading.enumerate())
    wsgi().extensions["shutdown"]()

    until(lambda: set(threading.enumerate()) <= before, "every thread to stop", every=0.01)
    with pytest.raises(urllib.error.URLError):
        get(f"{admin}/livez")
