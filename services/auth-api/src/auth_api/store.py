"""What auth-api keeps in MongoDB: users, and the attempts that the throttle counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ReadPreference, UpdateOne, WriteConcern
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError, ServerSelectionTimeoutError
from pymongo.read_concern import ReadConcern

from auth_api.throttle import WINDOW, Limit, Tally
from shared.mongo import Document
from shared.resilience.breaker import Breaker

TTL_SECONDS = int(2 * WINDOW.total_seconds())


class NameTaken(Exception):  # noqa: N818 - what happened
    """There is a user of that name."""


class OutcomeUnknown(Exception):  # noqa: N818
    """The user may have been stored or not."""


class MongoUsers:
    """The users; `_id` is the name, so that MongoDB decides who was first.

    Every call may raise CircuitOpen or PyMongoError.
    """

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._users = database["users"]
        self._certain = self._users.with_options(read_concern=ReadConcern("linearizable"))
        self._breaker = breaker

    def add(self, name: str, password_hash: str, now: datetime) -> None:
        """Store a user, acknowledged by a majority; raise NameTaken or OutcomeUnknown."""
        try:
            with self._breaker.guard():
                self._users.insert_one({"_id": name, "password_hash": password_hash, "created_at": now})
        except DuplicateKeyError:
            raise NameTaken from None
        except ServerSelectionTimeoutError:  # nothing was sent
            raise
        except PyMongoError as error:
            raise OutcomeUnknown from error

    def password_hash(self, name: str) -> str | None:
        """Return the hash of the user's password, None if there is no such user.

        Only a user that cannot be lost in a failover any more is there: else the name could become another person's.
        """
        with self._breaker.guard():
            user = self._certain.find_one({"_id": name}, {"password_hash": 1})
        return str(user["password_hash"]) if user else None

    def replace_hash(self, name: str, old: str, new: str) -> None:
        """Store another hash of the same password, unless the password was changed meanwhile."""
        with self._breaker.guard():
            self._users.update_one({"_id": name, "password_hash": old}, {"$set": {"password_hash": new}})


class MongoFailures:
    """Attempts to log in, one document for each key; the database's clock decides what is in the window.

    A count lost in a failover costs a guess or two, so one member's acknowledgement is enough.
    """

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._failures = database.get_collection(
            "login_failures", read_preference=ReadPreference.PRIMARY, write_concern=WriteConcern(w=1)
        )
        self._breaker = breaker

    def make_index(self) -> None:
        """Let MongoDB remove what is out of date. Safe to repeat; no rule depends on it."""
        with self._breaker.guard():
            self._failures.create_index("changed_at", expireAfterSeconds=TTL_SECONDS, name="changed_at_ttl")

    def read(self, keys: Sequence[str]) -> list[Tally]:
        """Return the tallies of the keys."""
        pipeline: list[Document] = [
            {"$match": {"_id": {"$in": list(keys)}}},
            {"$set": {"attempts": _LIVE, "now": "$$NOW"}},
        ]
        with self._breaker.guard():
            return [_tally(document) for document in self._failures.aggregate(pipeline)]

    def add(self, limits: Sequence[Limit], attempt: str) -> list[Tally]:
        """Count the attempt under each key that is not full; return all tallies after."""
        writes = [UpdateOne({"_id": limit.key}, _add_unless_full(limit.most, attempt), upsert=True) for limit in limits]
        with self._breaker.guard():
            self._failures.bulk_write(writes, ordered=False)
        return self.read([limit.key for limit in limits])

    def remove(self, keys: Sequence[str], attempt: str) -> None:
        """Take the attempt away under each key."""
        with self._breaker.guard():
            self._failures.update_many({"_id": {"$in": list(keys)}}, {"$pull": {"attempts": {"id": attempt}}})


_LIVE: Document = {
    "$filter": {
        "input": {"$ifNull": ["$attempts", []]},
        "cond": {"$gt": ["$$this.at", {"$subtract": ["$$NOW", int(WINDOW.total_seconds() * 1000)]}]},
    }
}


def _add_unless_full(most: int, attempt: str) -> list[Document]:
    added = {"$concatArrays": ["$attempts", [{"id": {"$literal": attempt}, "at": "$$NOW"}]]}
    return [
        {"$set": {"attempts": _LIVE, "changed_at": "$$NOW"}},
        {"$set": {"attempts": {"$cond": [{"$lt": [{"$size": "$attempts"}, most]}, added, "$attempts"]}}},
    ]


def _tally(document: dict[str, Any]) -> Tally:
    return Tally(document["_id"], [(a["id"], a["at"]) for a in document["attempts"]], document["now"])
