"""The local authority, keys and secrets: made once, kept private, renewed in time; Kafka's jars: held to their hash."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from local_stack import certificates, jars, private
from local_stack.certificates import Authority
from local_stack.errors import StackError


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_authority_is_made_once_and_its_certificates_are_good_for_localhost(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    leaf = authority.issue("edge")
    before = leaf.read_bytes()

    again = Authority(tmp_path)

    assert again.issue("edge").read_bytes() == before
    names = certificate(leaf).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    certificate(leaf).verify_directly_issued_by(certificate(again.certificate))
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(leaf)


def test_a_certificate_is_renewed_a_month_before_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    leaf = authority.issue("edge")
    before = certificate(leaf)

    monkeypatch.setattr(certificates, "_now", lambda: before.not_valid_after_utc - timedelta(days=31))
    assert certificate(authority.issue("edge")) == before
    monkeypatch.setattr(certificates, "_now", lambda: before.not_valid_after_utc - timedelta(days=29))

    assert certificate(authority.issue("edge")).not_valid_after_utc > before.not_valid_after_utc


def test_the_signing_key_is_named_after_its_day_and_kept(tmp_path: Path) -> None:
    certificates.signing_key(tmp_path / "keys")
    certificates.signing_key(tmp_path / "keys")

    (key,) = (tmp_path / "keys").iterdir()
    assert datetime.now(UTC) - datetime.fromisoformat(f"{key.stem}T00:00:00Z") < timedelta(days=2)
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = private.folder(tmp_path / "secrets")

    secret = private.secret(folder / "one")

    assert private.secret(folder / "one") == secret
    assert private.secret(folder / "two") != secret
    assert len(secret) == 64
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "one").stat().st_mode & 0o777 == 0o600


def test_jars_that_are_not_the_locked_ones_are_refused_and_nothing_half_made_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    forged = jars.Jar("org.slf4j", "slf4j-api", "1.7.36", "0" * 64)
    monkeypatch.setattr(jars, "_locked", lambda: [forged])
    monkeypatch.setattr("jgo.maven.PythonResolver.download", write_something)

    with pytest.raises(StackError, match=r"slf4j-api-1.7.36.jar as downloaded is not the file that was locked"):
        jars.kafka_jars()

    assert list(jars.cache().iterdir()) == []


def write_something(_resolver: Any, artifact: Any) -> Path:
    """Stand in for the download: the registry sends another file."""
    path: Path = artifact.cached_path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another file")
    return path


def test_the_lock_names_kafka_and_a_hash_for_every_jar() -> None:
    locked = jars._locked()

    assert ("org.apache.kafka", "kafka_2.13", jars.KAFKA_VERSION) in {(j.group, j.artifact, j.version) for j in locked}
    assert all(len(jar.sha256) == 64 for jar in locked)
