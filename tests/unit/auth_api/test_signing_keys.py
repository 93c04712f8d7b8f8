"""The folder of keys: read, rotated, broken, mended."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from auth_api.signing_keys import SigningKeys, SigningKeysUnavailable
from support.auth_api import write_key
from support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def kids(keys: SigningKeys) -> list[str]:
    return [key["kid"] for key in keys.current().jwks["keys"]]


def later(clock: Clock, keys: SigningKeys) -> SigningKeys:
    clock.advance(seconds=1)
    return keys


def test_all_keys_are_published_and_the_last_by_name_signs(tmp_path: Path, clock: Clock) -> None:
    for kid in ("2030-02", "2030-01", "2029-12"):
        write_key(tmp_path, kid)
    keys = SigningKeys(tmp_path, clock=clock.seconds)

    assert kids(keys) == ["2029-12", "2030-01", "2030-02"]
    assert keys.current().kid == "2030-02"


def test_a_named_key_signs_so_that_a_later_one_is_only_published(tmp_path: Path) -> None:
    former = write_key(tmp_path, "2030-01")
    write_key(tmp_path, "2030-02")
    keys = SigningKeys(tmp_path, signing_kid="2030-01").current()

    assert keys.kid == "2030-01"
    assert keys.private.private_bytes_raw() == former.private_bytes_raw()


def test_only_the_public_half_is_published(tmp_path: Path) -> None:
    write_key(tmp_path, "a")
    (key,) = SigningKeys(tmp_path).current().jwks["keys"]

    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")


def test_a_new_key_signs_without_a_restart(tmp_path: Path, clock: Clock) -> None:
    write_key(tmp_path, "a")
    keys = SigningKeys(tmp_path, clock=clock.seconds)
    assert kids(keys) == ["a"]
    write_key(tmp_path, "b")

    assert kids(later(clock, keys)) == ["a", "b"]
    assert keys.current().kid == "b"
    (tmp_path / "a.pem").unlink()
    assert kids(later(clock, keys)) == ["b"]


def test_a_key_replaced_under_its_name_is_read_again(tmp_path: Path, clock: Clock) -> None:
    write_key(tmp_path, "a")
    keys = SigningKeys(tmp_path, clock=clock.seconds)
    before = keys.current().jwks
    write_key(tmp_path, "a")

    assert later(clock, keys).current().jwks != before


def test_a_folder_switched_by_a_link_is_read_again(tmp_path: Path, clock: Clock) -> None:
    """As Kubernetes mounts a secret: files are links through a link that is replaced."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        write_key(tmp_path / version, "a")
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "a.pem").symlink_to("data/a.pem")
    keys = SigningKeys(tmp_path, clock=clock.seconds)
    before = keys.current().jwks
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(tmp_path / "data")

    assert later(clock, keys).current().jwks != before


def test_the_folder_is_looked_at_once_a_second_and_read_only_when_it_changed(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_key(tmp_path, "a")
    keys = SigningKeys(tmp_path, clock=clock.seconds)
    keys.current()
    glob, read = Mock(wraps=tmp_path.glob), Mock()
    monkeypatch.setattr(Path, "glob", lambda _, pattern: glob(pattern))
    monkeypatch.setattr(Path, "read_bytes", read)
    for _ in range(100):
        clock.advance(seconds=0.05)
        keys.current()

    assert (glob.call_count, read.call_count) == (5, 0)


def test_a_broken_change_leaves_the_former_keys_in_use(tmp_path: Path, clock: Clock) -> None:
    write_key(tmp_path, "a")
    keys = SigningKeys(tmp_path, clock=clock.seconds)
    assert kids(keys) == ["a"]
    (tmp_path / "b.pem").write_text("half a fi")

    assert kids(later(clock, keys)) == ["a"]
    write_key(tmp_path, "b")
    assert kids(later(clock, keys)) == ["a", "b"]


def test_an_empty_folder_has_no_keys_until_one_comes(tmp_path: Path, clock: Clock) -> None:
    keys = SigningKeys(tmp_path, clock=clock.seconds)
    with pytest.raises(SigningKeysUnavailable, match=r"no \*\.pem file"):
        keys.current()
    write_key(tmp_path, "a")

    assert kids(later(clock, keys)) == ["a"]


def test_a_named_key_that_is_absent_is_said(tmp_path: Path) -> None:
    write_key(tmp_path, "a")

    with pytest.raises(SigningKeysUnavailable, match="'b'"):
        SigningKeys(tmp_path, signing_kid="b").current()


@pytest.mark.parametrize("kind", ["text", "other curve", "encrypted", "public", "bad name", "folder"])
def test_what_is_no_ed25519_key_is_refused_without_showing_it(tmp_path: Path, kind: str) -> None:
    key = write_key(tmp_path, "a")
    path = tmp_path / ("a b.pem" if kind == "bad name" else "b.pem")
    if kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(
            {
                "text": b"canary-secret",
                "other curve": generate_private_key(SECP256R1()).private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
                ),
                "encrypted": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
                "public": key.public_key().public_bytes_raw(),
                "bad name": (tmp_path / "a.pem").read_bytes(),
            }[kind]
        )

    with pytest.raises(SigningKeysUnavailable, match=r"b\.pem") as caught:
        SigningKeys(tmp_path).current()
    assert "canary" not in str(caught.value)
