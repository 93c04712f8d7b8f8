"""The local stack creates certificates, keys and secrets once and keeps them private; it verifies Kafka's jars."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from local_stack import certificates, jars, secret_files
from local_stack.certificates import Authority
from local_stack.errors import StackError


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_authority_is_created_once_and_issues_certificates_for_localhost(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    leaf = authority.issue("proxy")
    before = leaf.read_bytes()

    again = Authority(tmp_path)

    assert again.issue("proxy").read_bytes() == before
    names = certificate(leaf).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    certificate(leaf).verify_directly_issued_by(certificate(again.certificate))
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(leaf)


def test_authority_is_limited_to_this_machine(tmp_path: Path) -> None:
    extension = certificate(Authority(tmp_path).certificate).extensions.get_extension_for_class(x509.NameConstraints)

    assert extension.critical
    permitted = [str(name.value) for name in extension.value.permitted_subtrees or ()]
    assert permitted == ["localhost", "127.0.0.0/8"]


def test_certificate_is_renewed_a_month_before_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    leaf = authority.issue("proxy")
    before = certificate(leaf)

    monkeypatch.setattr(certificates, "_now", lambda: before.not_valid_after_utc - timedelta(days=31))
    assert certificate(authority.issue("proxy")) == before
    monkeypatch.setattr(certificates, "_now", lambda: before.not_valid_after_utc - timedelta(days=29))

    assert certificate(authority.issue("proxy")).not_valid_after_utc > before.not_valid_after_utc


def test_signing_key_is_named_by_date_and_created_once(tmp_path: Path) -> None:
    certificates.signing_key(tmp_path / "keys")
    certificates.signing_key(tmp_path / "keys")

    (key,) = (tmp_path / "keys").iterdir()
    assert datetime.now(UTC) - datetime.fromisoformat(f"{key.stem}T00:00:00Z") < timedelta(days=2)
    assert key.stat().st_mode & 0o777 == 0o600


def test_secret_is_created_once_and_private(tmp_path: Path) -> None:
    folder = secret_files.folder(tmp_path / "secrets")

    secret = secret_files.secret(folder / "one")

    assert secret_files.secret(folder / "one") == secret
    assert secret_files.secret(folder / "two") != secret
    assert len(secret) == 64
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "one").stat().st_mode & 0o777 == 0o600


def test_jar_with_a_wrong_hash_is_rejected_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    forged = jars.Jar("org.slf4j", "slf4j-api", "1.7.36", sha256="0" * 64)
    monkeypatch.setattr(jars, "locked", lambda _lock: [forged])
    monkeypatch.setattr("jgo.maven.PythonResolver.download", write_something)

    with pytest.raises(StackError, match=r"the downloaded slf4j-api-1.7.36.jar is not the locked file"):
        jars.folder(jars.KAFKA)

    assert list(jars.cache().iterdir()) == []


def write_something(_resolver: Any, artifact: Any) -> Path:
    """Stand in for the download: store a file that is not the locked one."""
    path: Path = artifact.cached_path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another file")
    return path


def test_unreachable_maven_central_is_reported_in_one_short_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_resolver: Any, _artifact: Any) -> Path:
        raise ConnectionError("HTTPSConnectionPool(host=…): Max retries exceeded")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("jgo.maven.PythonResolver.download", fail)

    with pytest.raises(
        StackError, match=r"\.jar could not be downloaded from Maven Central \(ConnectionError\): check"
    ):
        jars.folder(jars.KAFKA)

    assert list(jars.cache().iterdir()) == []


@pytest.mark.parametrize(
    ("program", "artifact"),
    [(jars.KAFKA, "org.apache.kafka:kafka_2.13"), (jars.ZIPKIN, "io.zipkin:zipkin-server")],
    ids=["Kafka", "Zipkin"],
)
def test_jar_lock_has_the_program_and_a_hash_for_each_jar(program: jars.Program, artifact: str) -> None:
    locked = jars.locked(program.lock)

    assert f"{artifact}:{program.version}" in {f"{jar.group}:{jar.artifact}:{jar.version}" for jar in locked}
    assert all(len(jar.sha256) == 64 for jar in locked)


def test_changed_jar_lock_file_leads_to_a_new_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(jars, "_download", lambda _title, _jars, _folder: None)
    first = jars.folder(jars.KAFKA)
    monkeypatch.setattr(jars.Program, "lock", "# another lock")

    assert jars.folder(jars.KAFKA) != first
    assert first.is_dir()


def test_jackson_version_is_at_least_2_21_5() -> None:
    """Earlier versions have known vulnerabilities."""
    version = next(jar.version for jar in jars.locked(jars.KAFKA.lock) if jar.artifact == "jackson-databind")

    assert tuple(map(int, version.split("."))) >= (2, 21, 5)
