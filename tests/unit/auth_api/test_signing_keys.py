"""Signing keys: which are published, which one signs, and rotation, revocation and outages."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from auth_api.signing_keys import RECORDS_SECONDS, SigningKeys, SigningKeysUnavailable, choose_signer
from fakes.auth import FakeKeyRecords
from shared.key_records import KeyRecord
from shared.store import StoreUnavailable
from support.auth_api import CACHE_SECONDS, kids, refreshed, write_key
from support.clock import Clock
from support.wait import until


def test_all_keys_are_published_and_the_last_by_name_signs(tmp_path: Path, keys: SigningKeys) -> None:
    for kid in ("2030-02", "2030-01", "2029-12"):
        write_key(tmp_path, kid)

    assert kids(refreshed(keys)) == ["2029-12", "2030-01", "2030-02"]
    assert keys.signer().kid == "2030-02"


def test_configured_key_signs_instead_of_the_last_key(tmp_path: Path, records: FakeKeyRecords) -> None:
    former = write_key(tmp_path, "2030-01")
    write_key(tmp_path, "2030-02")
    keys = refreshed(SigningKeys(tmp_path, records.publish, cache_seconds=300, signing_kid="2030-01")).signer()

    assert keys.kid == "2030-01"
    assert keys.private.private_bytes_raw() == former.private_bytes_raw()


AGED, NEW = KeyRecord(CACHE_SECONDS, is_revoked=False), KeyRecord(0, is_revoked=False)


@pytest.mark.parametrize(
    ("records", "preferred", "signer"),
    [
        ({"a": NEW}, "", "a"),
        ({"a": AGED, "b": NEW}, "", "a"),
        ({"a": AGED, "b": AGED}, "", "b"),
        ({"a": AGED, "b": AGED}, "a", "a"),
        ({"a": AGED, "b": NEW}, "b", "a"),
        ({"a": AGED, "b": AGED, "c": NEW}, "", "b"),
        ({"a": NEW, "b": NEW}, "", "b"),
        ({"a": NEW, "b": NEW}, "a", "a"),
        ({"a": KeyRecord(10, is_revoked=False), "b": NEW}, "", "a"),
    ],
)
def test_key_that_all_verifiers_know_signs_before_a_new_one(
    records: dict[str, KeyRecord], preferred: str, signer: str
) -> None:
    assert choose_signer(records, records, preferred=preferred, cache_seconds=CACHE_SECONDS) == signer


def test_only_the_public_key_is_published(tmp_path: Path, keys: SigningKeys) -> None:
    write_key(tmp_path, "a")
    (key,) = refreshed(keys).published()["keys"]

    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")


def test_refresh_rereads_records_every_3_seconds_but_not_unchanged_folders(
    tmp_path: Path, clock: Clock, records: FakeKeyRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_key(tmp_path, "a")
    publish = Mock(wraps=records.publish)
    keys = refreshed(SigningKeys(tmp_path, publish, cache_seconds=300, clock=clock.seconds))
    read = Mock()
    monkeypatch.setattr(Path, "read_bytes", read)
    for _ in range(9):
        clock.advance(seconds=1)
        keys.refresh()

    assert (read.call_count, publish.call_count) == (0, 1 + 9 / RECORDS_SECONDS)


def test_mongodb_outage_keeps_old_keys_and_publishes_no_new_key(
    tmp_path: Path, keys: SigningKeys, records: FakeKeyRecords
) -> None:
    write_key(tmp_path, "a")
    refreshed(keys)
    write_key(tmp_path, "b")
    records.error = StoreUnavailable()

    assert kids(refreshed(keys)) == ["a"]
    records.error = None
    assert kids(refreshed(keys)) == ["a", "b"]


def test_no_key_is_published_before_its_record_is_read(
    tmp_path: Path, keys: SigningKeys, records: FakeKeyRecords
) -> None:
    """Until auth-api has read the record of a key, it cannot know whether the key was revoked."""
    write_key(tmp_path, "a")
    records.error = StoreUnavailable()

    with pytest.raises(SigningKeysUnavailable, match="MongoDB is unavailable"):
        refreshed(keys).signer()


def test_revoked_configured_key_is_replaced(tmp_path: Path, records: FakeKeyRecords) -> None:
    write_key(tmp_path, "a")
    write_key(tmp_path, "b")
    records.publish(["a", "b"])
    records.revoke("b")
    keys = refreshed(SigningKeys(tmp_path, records.publish, cache_seconds=300, signing_kid="b"))

    assert (kids(keys), keys.signer().kid) == (["a"], "a")


def test_empty_set_is_published_when_the_only_key_is_revoked(
    tmp_path: Path, clock: Clock, keys: SigningKeys, records: FakeKeyRecords
) -> None:
    write_key(tmp_path, "a")
    refreshed(keys)
    records.revoke("a")
    clock.advance(seconds=RECORDS_SECONDS)

    assert refreshed(keys).published() == {"keys": []}
    with pytest.raises(SigningKeysUnavailable, match="revoked"):
        keys.signer()
    write_key(tmp_path, "b")
    assert (kids(refreshed(keys)), keys.signer().kid) == (["b"], "b")


@pytest.mark.parametrize("outage", ["mongodb", "folder"])
def test_mongodb_outage_or_empty_folder_keeps_the_published_keys(
    tmp_path: Path, clock: Clock, keys: SigningKeys, records: FakeKeyRecords, outage: str
) -> None:
    write_key(tmp_path, "a")
    refreshed(keys)
    if outage == "mongodb":
        records.error = StoreUnavailable()
    else:
        (tmp_path / "a.pem").unlink()
    clock.advance(seconds=RECORDS_SECONDS)

    assert (kids(refreshed(keys)), keys.signer().kid) == (["a"], "a")


def test_empty_folder_has_no_keys_until_one_is_added(tmp_path: Path, keys: SigningKeys) -> None:
    with pytest.raises(SigningKeysUnavailable, match=r"no \*\.pem file"):
        refreshed(keys).signer()
    write_key(tmp_path, "a")

    assert kids(refreshed(keys)) == ["a"]


def test_error_names_the_missing_configured_key(tmp_path: Path, records: FakeKeyRecords) -> None:
    write_key(tmp_path, "a")
    keys = SigningKeys(tmp_path, records.publish, cache_seconds=300, signing_kid="b")

    with pytest.raises(SigningKeysUnavailable, match="'b'"):
        refreshed(keys).signer()


def test_thread_refreshes_the_keys_until_closed(
    tmp_path: Path, records: FakeKeyRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth_api.signing_keys.FOLDER_SECONDS", 0.01)
    write_key(tmp_path, "a")
    keys = SigningKeys(tmp_path, records.publish, cache_seconds=0)
    keys.start()
    until(lambda: keys._jwks is not None, "the first keys", every=0.01)
    write_key(tmp_path, "b")
    until(lambda: kids(keys) == ["a", "b"], "the second key", every=0.01)
    keys.close()
    write_key(tmp_path, "c")

    assert kids(keys) == ["a", "b"]
