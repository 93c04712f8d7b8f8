"""`retail keys`: list and revoke the keys that sign tokens."""

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from fakes.operator import FakeSession
from shared.store import StoreUnavailable
from support.command import printed_json, retail


@pytest.fixture
def session() -> FakeSession:
    session = FakeSession()
    session.key_records.publish(["2026", "2027"])
    return session


def test_revoked_key_is_listed_as_revoked(session: FakeSession) -> None:
    result = retail(session, "keys", "revoke", "2026", "--json")
    listed = printed_json(retail(session, "keys", "list", "--json"))["keys"]

    assert (result.exit_code, printed_json(result)) == (0, {"kid": "2026", "outcome": "revoked"})
    assert {key["kid"]: key["revoked"] for key in listed} == {"2026": True, "2027": False}
    assert printed_json(retail(session, "keys", "revoke", "2026", "--json"))["outcome"] == "nothing to do"


def test_revoking_an_unpublished_key_requires_the_option_unpublished(session: FakeSession) -> None:
    assert retail(session, "keys", "revoke", "2028").exit_code == 1
    assert retail(session, "keys", "revoke", "2028", "--unpublished").exit_code == 0


def test_revoking_the_last_key_warns_that_no_tokens_are_issued(session: FakeSession) -> None:
    assert retail(session, "keys", "revoke", "2026").stderr == ""
    assert "auth-api issues no tokens until a new key is added" in retail(session, "keys", "revoke", "2027").stderr


def test_revoke_during_a_mongodb_outage_exits_with_3(session: FakeSession) -> None:
    error = StoreUnavailable()
    error.__cause__ = ServerSelectionTimeoutError("db:27017: refused, Timeout: 2.0s")
    session.key_records.error = error

    result = retail(session, "keys", "revoke", "2026")

    assert (result.exit_code, result.stderr) == (3, "retail: MongoDB is unavailable: db:27017: refused\n")
