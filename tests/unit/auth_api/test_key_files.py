"""Files of signing keys that are changed, replaced or invalid."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from auth_api.signing_keys import SigningKeys, SigningKeysUnavailable
from support.auth_api import kids, refreshed, write_key


def test_folder_change_is_seen_without_a_restart(tmp_path: Path, keys: SigningKeys) -> None:
    write_key(tmp_path, "a")
    assert kids(refreshed(keys)) == ["a"]
    write_key(tmp_path, "b")

    assert kids(refreshed(keys)) == ["a", "b"]
    (tmp_path / "a.pem").unlink()
    assert kids(refreshed(keys)) == ["b"]
    assert keys.signer().kid == "b"


def test_replaced_key_file_is_read_again(tmp_path: Path, keys: SigningKeys) -> None:
    write_key(tmp_path, "a")
    before = refreshed(keys).published()
    write_key(tmp_path, "a")

    assert refreshed(keys).published() != before


def test_key_behind_a_replaced_symbolic_link_is_read_again(tmp_path: Path, keys: SigningKeys) -> None:
    """Kubernetes updates a mounted Secret by replacing the symbolic link to the folder that holds its files."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        write_key(tmp_path / version, "a")
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "a.pem").symlink_to("data/a.pem")
    before = refreshed(keys).published()
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(tmp_path / "data")

    assert refreshed(keys).published() != before


def test_invalid_new_file_keeps_the_previous_keys(tmp_path: Path, keys: SigningKeys) -> None:
    write_key(tmp_path, "a")
    assert kids(refreshed(keys)) == ["a"]
    (tmp_path / "b.pem").write_text("half a fi")

    assert kids(refreshed(keys)) == ["a"]
    write_key(tmp_path, "b")
    assert kids(refreshed(keys)) == ["a", "b"]


def test_resource_fork_file_of_macos_is_ignored(tmp_path: Path, keys: SigningKeys) -> None:
    write_key(tmp_path, "a")
    (tmp_path / "._a.pem").write_bytes(b"\0\5\x16\7")

    assert kids(refreshed(keys)) == ["a"]


@pytest.mark.parametrize("kind", ["text", "other curve", "encrypted", "public", "bad name", "folder"])
def test_invalid_key_file_is_named_without_its_contents(tmp_path: Path, keys: SigningKeys, kind: str) -> None:
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
        refreshed(keys).signer()
    assert "canary" not in str(caught.value)
