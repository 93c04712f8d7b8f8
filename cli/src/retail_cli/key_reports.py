"""The reports of `retail keys`, and their tables; the rules of the module `reports` apply."""

from msgspec import Struct

from retail_cli.rendering import Lines, table


class SigningKey(Struct, frozen=True):
    """A recorded key of auth-api; `age_seconds` counts from its first publication; 0 if it was never published."""

    kid: str
    age_seconds: int
    revoked: bool


class KeyList(Struct, frozen=True):
    """The report of `retail keys list`."""

    keys: list[SigningKey]


class Revocation(Struct, frozen=True):
    """The report of `retail keys revoke`. `outcome` is `revoked`, or `nothing to do` if the key was revoked before."""

    kid: str
    outcome: str


def key_list(report: KeyList) -> Lines:
    """Draw the keys."""
    rows = [[key.kid, f"{key.age_seconds} s", "revoked" if key.revoked else "in use"] for key in report.keys]
    yield table("Signing keys", ["id", "age", "state"], rows)


def revocation(report: Revocation) -> Lines:
    """Draw the revocation."""
    yield table("Revocation", ["id", "outcome"], [[report.kid, report.outcome]])
