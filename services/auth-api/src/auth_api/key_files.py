"""The files of the signing keys: `<kid>.pem`, each an unencrypted Ed25519 private key."""

import re
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_KID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
FolderState = tuple[tuple[str, int, int, int], ...]


def folder_state(folder: Path) -> FolderState:
    """Return a value that changes whenever a key file is added, replaced or removed; raise OSError."""
    return tuple((p.name, s.st_ino, s.st_mtime_ns, s.st_size) for p in _key_paths(folder) for s in [p.stat()])


def read_private_keys(folder: Path, signing_kid: str) -> dict[str, Ed25519PrivateKey]:
    """Return the keys by id, sorted; raise OSError or ValueError, whose message never shows a file's contents."""
    keys = {path.stem: _read_private_key(path) for path in _key_paths(folder)}
    if not keys:
        raise ValueError("the folder AUTH_KEYS_DIR contains no *.pem file")
    if signing_kid and signing_kid not in keys:
        raise ValueError(f"AUTH_SIGNING_KID is {signing_kid!r}, but AUTH_KEYS_DIR contains no {signing_kid}.pem")
    return keys


def _key_paths(folder: Path) -> list[Path]:
    """List the key files by name. macOS adds a `._name` for each file that it copies; such files are not keys."""
    return sorted(path for path in folder.glob("*.pem") if not path.name.startswith("."))


def _read_private_key(path: Path) -> Ed25519PrivateKey:
    if not _KID.fullmatch(path.stem):
        raise ValueError(f"{path.name}: a key id must be 1 to 64 characters of A-Z, a-z, 0-9 and . _ -")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"{path.name} is not an unencrypted private key in PEM format") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path.name} is not an Ed25519 key")  # noqa: TRY004 - the file is wrong, not the caller
    return key
