"""The rules of accounts: which names and passwords are taken, and how a client says who it is."""

import base64
import binascii
import re
import unicodedata
from importlib.resources import files

import msgspec

MAX_PASSWORD_BYTES = 2048  # as sent; 128 characters in any normal form are less
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 128
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)
# The 1,000 commonest passwords of 8 to 128 characters: head of zxcvbn 4.5.0's list (MIT), made of leaked passwords.
COMMON_PASSWORDS = frozenset(
    files("auth_api").joinpath("common_passwords.txt").read_text(encoding="utf-8").casefold().split()
)


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends to become a user."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Registration({self.username!r})"


class RefusedAccount(Exception):  # noqa: N818 - what happened to it
    """The name or the password breaks a rule; `errors` are (JSON pointer, sentence) pairs."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(sentence for _, sentence in errors))
        self.errors = errors


class MalformedCredentials(ValueError):  # noqa: N818
    """The Authorization header holds no user name and password by RFC 7617."""


def check(registration: Registration) -> str:
    """Return the password as it is to be hashed; raise RefusedAccount with everything that is wrong."""
    errors = []
    if not _NAME.fullmatch(registration.username):
        errors.append(
            (
                "/username",
                "a user name has 1 to 64 characters of a-z, 0-9 and . _ @ + -, and begins with a letter or digit",
            )
        )
    password = normal_password(registration.password)
    if password is None or len(password) < SHORTEST_PASSWORD:
        errors.append(("/password", f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"))
    elif password.casefold() in COMMON_PASSWORDS:
        errors.append(("/password", "this password is one of the 1,000 commonest"))
    if errors or password is None:
        raise RefusedAccount(errors)
    return password


def normal_password(password: str) -> str | None:
    """Return the password in the form that is hashed (NFC, so that every keyboard agrees); None if it is too long."""
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        return None
    normal = unicodedata.normalize("NFC", password)
    return normal if len(normal) <= LONGEST_PASSWORD else None


def basic_credentials(header: str | None) -> tuple[str, str]:
    """Return user name and password of an Authorization header (RFC 7617, UTF-8); raise MalformedCredentials."""
    scheme, _, encoded = (header or "").strip().partition(" ")
    if scheme.lower() != "basic":
        raise MalformedCredentials("say who you are with HTTP Basic")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise MalformedCredentials("the Basic credentials are no base64 of UTF-8") from None
    name, colon, password = text.partition(":")
    if not colon:
        raise MalformedCredentials("the Basic credentials have no colon between user name and password")
    return name, password
