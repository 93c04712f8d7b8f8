"""The rules for accounts: valid user names and passwords, and the parsing of HTTP Basic credentials."""

import base64
import binascii
import unicodedata
from importlib.resources import files

import msgspec

from shared.usernames import RULE, is_username

MAX_PASSWORD_BYTES = 2048  # before normalization to NFC; 128 characters need at most 1,536 bytes in NFC or NFD
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 8, 128
# The 10,000 most common passwords of 8 to 128 characters, one per line, in lower case, from zxcvbn 4.5.0 (MIT). One
# string of them all needs 94 KiB; a set of strings would need 1.1 MiB.
COMMON_PASSWORDS = "\n" + files("auth_api").joinpath("common_passwords.txt").read_text(encoding="utf-8")


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The request body that creates a user."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Registration({self.username!r})"


class InvalidAccount(Exception):  # noqa: N818 - a state of the request
    """The name or the password violates a rule; `errors` are (JSON pointer, sentence) pairs."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(sentence for _, sentence in errors))
        self.errors = errors


class MalformedCredentials(ValueError):  # noqa: N818
    """The Authorization header contains no user name and password as RFC 7617 defines them."""


def validate(registration: Registration) -> str:
    """Return the normalized password to hash; raise InvalidAccount with at most one error for each field."""
    errors = []
    if not is_username(registration.username):
        errors.append(("/username", f"username must be {RULE}"))
    password = normalize_password(registration.password)
    if password is None or len(password) < MIN_PASSWORD_LENGTH:
        errors.append(("/password", f"password must be {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters"))
    elif f"\n{password.casefold()}\n" in COMMON_PASSWORDS:
        errors.append(("/password", "this password is too common"))
    elif password.casefold() == registration.username.casefold():
        errors.append(("/password", "password must differ from the username"))
    if errors or password is None:
        raise InvalidAccount(errors)
    return password


def normalize_password(password: str) -> str | None:
    """Return the password to hash, in NFC because devices encode the same text differently; None if it is too long."""
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        return None
    normalized = unicodedata.normalize("NFC", password)
    return normalized if len(normalized) <= MAX_PASSWORD_LENGTH else None


def parse_basic_auth(header: str | None) -> tuple[str, str]:
    """Return user name and password of an Authorization header (RFC 7617, UTF-8); raise MalformedCredentials."""
    scheme, _, encoded = (header or "").strip().partition(" ")
    if scheme.lower() != "basic":
        raise MalformedCredentials("HTTP Basic credentials required")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise MalformedCredentials("The Basic credentials are not valid base64-encoded UTF-8") from None
    name, colon, password = text.partition(":")
    if not colon:
        raise MalformedCredentials("The Basic credentials have no colon between user name and password")
    return name, password
