"""Users and login attempts in MongoDB. Every call goes through the circuit breaker."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from pymongo import ReadPreference, UpdateOne, WriteConcern
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from auth_api.throttle import KNOWN_FOR, WINDOW, AttemptCount, Limit
from shared.mongo import Document
from shared.resilience.breaker import Breaker
from shared.store import insert_guarded, run_guarded

TTL_SECONDS = int(2 * WINDOW.total_seconds())


class NameTaken(Exception):  # noqa: N818 - a state of the name
    """A user with this name exists."""


class MongoUsers:
    """The `users` collection; `_id` is the name, so that MongoDB stores a name only once. Raises StoreUnavailable."""

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._users = database["users"]
        self._linearizable = self._users.with_options(read_concern=ReadConcern("linearizable"))
        self._breaker = breaker

    def add(self, name: str, password_hash: str, now: datetime) -> None:
        """Store a user, acknowledged by a majority; raise NameTaken or OutcomeUnknown."""
        try:
            user = {"_id": name, "password_hash": password_hash, "created_at": now}
            insert_guarded(self._breaker, self._users.insert_one, user)
        except DuplicateKeyError:
            raise NameTaken from None

    def password_hash(self, name: str) -> str | None:
        """Return the hash of the user's password, or None if the user does not exist.

        Linearizable read: a user that a failover could roll back is not returned. If the record contains no hash, or a
        value of another type, the returned text is not a valid hash.
        """
        query, fields = {"_id": name}, {"password_hash": 1}
        user = run_guarded(self._breaker, lambda: self._linearizable.find_one(query, fields))
        return str(user.get("password_hash", "")) if user else None

    def replace_hash(self, name: str, old: str, new: str) -> None:
        """Replace the hash `old` by `new`, unless the password was changed in the meantime."""
        query, change = {"_id": name, "password_hash": old}, {"$set": {"password_hash": new}}
        run_guarded(self._breaker, lambda: self._users.update_one(query, change))


class MongoFailures:
    """Attempts to log in or register, one document per key, and the addresses that are known for a user.

    The database's clock decides which attempts are in the window. Writes wait for one member only: a failover may
    lose a count, which allows a guess or two more. Every method raises StoreUnavailable.
    """

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._failures = database.get_collection(
            "login_failures", read_preference=ReadPreference.PRIMARY, write_concern=WriteConcern(w=1)
        )
        self._known = database.get_collection(
            "login_addresses", read_preference=ReadPreference.PRIMARY, write_concern=WriteConcern(w=1)
        )
        self._breaker = breaker

    def create_indexes(self) -> None:
        """Create the TTL indexes that remove old documents. Idempotent; no rule depends on them."""
        for collection, field, seconds in (
            (self._failures, "changed_at", TTL_SECONDS),
            (self._known, "at", int(KNOWN_FOR.total_seconds())),
        ):
            create = partial(collection.create_index, field, name=f"{field}_ttl", expireAfterSeconds=seconds)
            run_guarded(self._breaker, create)

    def read(self, keys: Sequence[str]) -> list[AttemptCount]:
        """Return the attempts in the window for each key that has a document."""
        pipeline: list[Document] = [
            {"$match": {"_id": {"$in": list(keys)}}},
            {"$set": {"attempts": _IN_WINDOW, "now": "$$NOW"}},
        ]
        return [_count(d) for d in run_guarded(self._breaker, lambda: [*self._failures.aggregate(pipeline)])]

    def add(self, limits: Sequence[Limit], attempt: str) -> list[AttemptCount]:
        """Add the attempt under each key that is below its limit; return the counts of all keys afterwards."""
        writes = [UpdateOne({"_id": limit.key}, _add_below_limit(limit, attempt), upsert=True) for limit in limits]
        run_guarded(self._breaker, lambda: self._failures.bulk_write(writes, ordered=False))
        return self.read([limit.key for limit in limits])

    def remove(self, keys: Sequence[str], attempt: str) -> None:
        """Remove the attempt from the count of each key."""
        query, change = {"_id": {"$in": list(keys)}}, {"$pull": {"attempts": {"id": attempt}}}
        run_guarded(self._breaker, lambda: self._failures.update_many(query, change))

    def is_known(self, key: str) -> bool:
        """Return whether `remember` was called for the key in the last 30 days."""
        since = {"$subtract": ["$$NOW", int(KNOWN_FOR.total_seconds() * 1000)]}
        query = {"_id": key, "$expr": {"$gt": ["$at", since]}}
        return run_guarded(self._breaker, lambda: self._known.find_one(query, {"_id": 1})) is not None

    def remember(self, key: str) -> None:
        """Record a login or a registration under the key."""
        change = {"$currentDate": {"at": True}}
        run_guarded(self._breaker, lambda: self._known.update_one({"_id": key}, change, upsert=True))


_IN_WINDOW: Document = {
    "$filter": {
        "input": {"$ifNull": ["$attempts", []]},
        "cond": {"$gt": ["$$this.at", {"$subtract": ["$$NOW", int(WINDOW.total_seconds() * 1000)]}]},
    }
}


def _add_below_limit(limit: Limit, attempt: str) -> list[Document]:
    added = {"$concatArrays": ["$attempts", [{"id": {"$literal": attempt}, "at": "$$NOW"}]]}
    is_below = {"$lt": [{"$size": "$attempts"}, limit.max_attempts]}
    return [
        {"$set": {"attempts": _IN_WINDOW, "changed_at": "$$NOW"}},
        {"$set": {"attempts": {"$cond": [is_below, added, "$attempts"]}}},
    ]


def _count(document: dict[str, Any]) -> AttemptCount:
    return AttemptCount(document["_id"], [(a["id"], a["at"]) for a in document["attempts"]], document["now"])
