"""Fetching auth-api's public keys (JWKS, RFC 7517) over TLS."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jwt
import urllib3

FETCH_SECONDS = 2.0
MAX_BYTES = 64 * 1024
Keys = Mapping[str, Any]


class JwksFetchFailed(Exception):  # noqa: N818
    """auth-api did not return a valid key set."""


def make_fetcher(*, jwks_url: str, ca_file: Path) -> Callable[[], Keys]:
    """Return a function that fetches the key set at `jwks_url`. It raises JwksFetchFailed.

    The connection and each read take at most 2 s.
    """
    pool = urllib3.PoolManager(
        ca_certs=str(ca_file), timeout=urllib3.Timeout(total=FETCH_SECONDS), retries=False, maxsize=1
    )

    def fetch() -> Keys:
        try:
            with pool.request("GET", jwks_url, preload_content=False, redirect=False) as response:
                body = response.read(MAX_BYTES + 1)
                status = response.status
        except urllib3.exceptions.HTTPError as error:
            raise JwksFetchFailed(type(error).__name__) from error
        if status != 200 or len(body) > MAX_BYTES:  # noqa: PLR2004 - HTTP's own
            raise JwksFetchFailed(f"unusable response: status {status}, {len(body)} bytes")
        return parse(body)

    return fetch


def parse(body: bytes) -> Keys:
    """Return the Ed25519 keys of a key set by key id, as key objects; raise JwksFetchFailed.

    An empty set is valid: every key was revoked. A set that has entries, but no Ed25519 key, is not valid.
    """
    try:
        document = json.loads(body)
        if document["keys"] == []:
            return {}
        found = jwt.PyJWKSet.from_dict(document).keys
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JwksFetchFailed(f"not a key set: {type(error).__name__}") from error
    keys = {key.key_id: key.key for key in found if key.key_id and key.algorithm_name == "EdDSA"}
    if not keys:
        raise JwksFetchFailed("the key set has no Ed25519 key")
    return keys
