"""The record of signing keys in MongoDB: when each key was first published, and whether it is revoked.

auth-api publishes only keys that are recorded and not revoked; `retail keys revoke` marks keys as revoked. The record
holds key ids, never a key.
"""

from collections.abc import Collection
from dataclasses import dataclass

from pymongo import UpdateOne
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.mongo import Document
from shared.resilience.breaker import Breaker
from shared.store import run_guarded

COLLECTION = "signing_keys"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key: seconds since its first publication (0 if it was never published), by the database's clock."""

    published_seconds: float
    is_revoked: bool


class KeyRecords:
    """The `signing_keys` collection; `_id` is the key id. Thread-safe. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database[Document], breaker: Breaker) -> None:
        self._breaker = breaker
        self._keys = database.get_collection(
            COLLECTION, read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority", j=True)
        )

    def publish(self, kids: Collection[str]) -> dict[str, KeyRecord]:
        """Record the first publication of those of `kids` that have no record; return the records of all keys by id."""
        records = self._read()
        new = [kid for kid in kids if kid not in records]
        if new:
            change = [{"$set": {"published_at": {"$ifNull": ["$published_at", "$$NOW"]}}}]
            writes = [UpdateOne({"_id": kid}, change, upsert=True) for kid in new]
            run_guarded(self._breaker, lambda: self._keys.bulk_write(writes, ordered=False))
            records = self._read()
        return records

    def revoke(self, kid: str) -> bool:
        """Revoke a key, also one that was never published; return False if it was revoked before."""
        change = [{"$set": {"revoked_at": {"$ifNull": ["$revoked_at", "$$NOW"]}}}]
        result = run_guarded(self._breaker, lambda: self._keys.update_one({"_id": kid}, change, upsert=True))
        return bool(result.modified_count or result.upserted_id is not None)

    def _read(self) -> dict[str, KeyRecord]:
        age = {"$max": [0, {"$ifNull": [{"$subtract": ["$$NOW", "$published_at"]}, 0]}]}
        steps: list[Document] = [{"$project": {"age": age, "is_revoked": {"$gt": ["$revoked_at", None]}}}]
        found = run_guarded(self._breaker, lambda: [*self._keys.aggregate(steps)])
        return {key["_id"]: KeyRecord(float(key["age"]) / 1000, key["is_revoked"]) for key in found}
