"""The pymongo interface that the services use, on a replica set in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Self

from bson.codec_options import CodecOptions
from pymongo import IndexModel
from pymongo.errors import (
    AutoReconnect,
    DuplicateKeyError,
    NetworkTimeout,
    ServerSelectionTimeoutError,
    WriteError,
)
from pymongo.read_concern import ReadConcern
from pymongo.results import InsertOneResult, UpdateResult
from pymongo.write_concern import WriteConcern

from fakes import documents
from fakes.documents import Update
from fakes.expressions import Document, copied, evaluate
from fakes.replica_set import Failure, ReplicaSet


class FakeSession:
    """A causally consistent session: after its first read, its majority reads wait until no write is uncommitted."""

    def __init__(self) -> None:
        self.has_read = False


class FakeDatabase:
    """A database, its client and the admin database in one. By default, reads are local; writes wait for a majority."""

    def __init__(self, servers: ReplicaSet) -> None:
        self._servers = servers

    @property
    def client(self) -> "FakeDatabase":
        return self

    @property
    def admin(self) -> "FakeDatabase":
        return self

    @property
    def codec_options(self) -> CodecOptions[Any]:
        return CodecOptions(tz_aware=True)

    def close(self) -> None:
        """Do nothing: there is no connection to close."""

    def command(self, name: str, *_: Any, codec_options: CodecOptions[Any] | None = None, **__: Any) -> Document:
        if name not in ("hello", "ping", "collMod"):
            raise NotImplementedError(name)
        _raise_for(self._servers.before_operation(name))
        now = self._servers.now()
        return {"localTime": now if codec_options and codec_options.tz_aware else now.replace(tzinfo=None)}

    @contextmanager
    def start_session(self, *, causal_consistency: bool) -> Iterator[FakeSession]:
        if not causal_consistency:
            raise NotImplementedError
        yield FakeSession()

    def create_collection(self, _name: str, **_: Any) -> None:
        """Ignore the validator: `rejected_ids` and `excludable_ids` of ReplicaSet say which updates are rejected."""

    def get_collection(self, _name: str, **options: Any) -> "FakeCollection":
        return FakeCollection(self._servers, local=True, majority=True).with_options(**options)

    def __getitem__(self, name: str) -> "FakeCollection":
        return self.get_collection(name)


class FakeCollection:
    """A collection handle with its read and write concerns."""

    def __init__(self, servers: ReplicaSet, *, local: bool, majority: bool, certain: bool = False) -> None:
        self._servers = servers
        self._certain = certain
        self._local = local
        self._majority = majority

    @property
    def database(self) -> FakeDatabase:
        return FakeDatabase(self._servers)

    @property
    def name(self) -> str:
        return "orders"

    @property
    def codec_options(self) -> CodecOptions[Any]:
        return CodecOptions(tz_aware=True)

    def list_indexes(self) -> list[Document]:
        return []

    def create_indexes(self, indexes: Sequence[IndexModel]) -> None:
        """Enforce the unique indexes and ignore the others."""
        for index in indexes:
            if index.document.get("unique"):
                self._servers.index([*index.document["key"]], index.document.get("partialFilterExpression", {}))

    def with_options(
        self,
        *,
        codec_options: CodecOptions[Any] | None = None,
        read_concern: ReadConcern | None = None,
        write_concern: WriteConcern | None = None,
    ) -> "FakeCollection":
        _ = codec_options
        local = self._local if read_concern is None else read_concern.level != "majority"
        majority = (
            self._majority if write_concern is None else write_concern.document.get("w", "majority") == "majority"
        )
        certain = read_concern is not None and read_concern.level == "linearizable"
        return FakeCollection(self._servers, local=local, majority=majority, certain=certain)

    def find(
        self,
        query: Mapping[str, Any] = MappingProxyType({}),
        projection: Any = None,
        *,
        limit: int = 0,
        batch_size: int = 0,
        hint: Sequence[tuple[str, int]] = (),
        session: FakeSession | None = None,
    ) -> "FakeCursor":
        _ = batch_size, hint
        _raise_for(self._servers.before_operation("find"))
        if self._certain or (session and session.has_read and not self._local):
            self._servers.commit_all()
        if session:
            session.has_read = True
        found = self._servers.find(query, local=self._local)
        return FakeCursor([documents.projected(document, projection) for document in found]).limit(limit)

    def find_one(
        self, query: Mapping[str, Any], projection: Any = None, *, session: FakeSession | None = None
    ) -> Document | None:
        return next(iter(self.find(query, projection, limit=1, session=session)), None)

    def estimated_document_count(self) -> int:
        return self.count_documents({})

    def count_documents(self, query: Mapping[str, Any]) -> int:
        return len([*self.find(query)])

    def aggregate(self, steps: Sequence[Mapping[str, Any]], *, hint: Document | None = None) -> "FakeCursor":
        """Run a `$match`, optional `$sort` and `$limit`, and a `$group` of all rows with `$sum`, `$min` and `$max`."""
        _ = hint
        match, *between, group = steps
        found = self.find(match["$match"])
        for step in between:
            found = found.sort(*next(iter(step["$sort"].items()))) if "$sort" in step else found.limit(step["$limit"])
        rows, now = [*found], self._servers.now()
        accumulators = dict(group["$group"])
        totals: Document = {"_id": accumulators.pop("_id")}
        for name, accumulator in accumulators.items():
            ((how, expression),) = accumulator.items()
            values = [evaluate(expression, row, now) for row in rows]
            totals[name] = _ACCUMULATORS[how]([value for value in values if value is not None])
        return FakeCursor([totals] if rows else [])

    def insert_one(self, document: Document) -> InsertOneResult:
        """Insert a document; like the driver, retry once if the primary changes and the write is rolled back."""
        stored = copied(document)
        self._send("insert", lambda: self._servers.insert(stored))
        try:
            self._servers.acknowledge(majority=self._majority)
        except AutoReconnect:
            if self._servers.primary.get(stored["_id"]) != stored:
                self._send("insert", lambda: self._servers.insert(stored))
            self._servers.acknowledge(majority=self._majority)
        return InsertOneResult(stored["_id"], acknowledged=True)

    def update_one(self, query: Mapping[str, Any], update: Update) -> UpdateResult:
        return self._update(query, update, many=False)

    def update_many(self, query: Mapping[str, Any], update: Update) -> UpdateResult:
        """Update matching documents; like the driver, never retry."""
        return self._update(query, update, many=True)

    def _update(self, query: Mapping[str, Any], update: Update, *, many: bool) -> UpdateResult:
        changed: list[int] = []
        self._send("update", lambda: changed.append(self._servers.update(query, update, many=many)))
        self._servers.acknowledge(majority=self._majority)
        return UpdateResult({"n": sum(changed), "nModified": sum(changed)}, acknowledged=True)

    def _send(self, operation: str, do: Callable[[], None]) -> None:
        failure = self._servers.before_operation(operation)
        if failure is Failure.LATE:
            self._servers.late.append(lambda: _quietly(do))
        if failure is Failure.UNANSWERED:
            do()
        if failure in (Failure.LOST, Failure.LATE, Failure.UNANSWERED):
            raise NetworkTimeout("timed out")
        _raise_for(failure)
        do()


class FakeCursor:
    """The result of a find or an aggregation."""

    def __init__(self, found: list[Document]) -> None:
        self._found = found

    def limit(self, count: int) -> "FakeCursor":
        return FakeCursor(self._found[:count] if count else self._found)

    def sort(self, name: str, direction: int) -> "FakeCursor":
        return FakeCursor(sorted(self._found, key=lambda document: document[name], reverse=direction < 0))

    def to_list(self) -> list[Document]:
        return self._found

    def __iter__(self) -> Iterator[Document]:
        return iter(self._found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._found = []


_ACCUMULATORS: dict[str, Callable[[list[Any]], Any]] = {
    "$sum": sum,
    "$min": lambda values: min(values, default=None),
    "$max": lambda values: max(values, default=None),
}


def _raise_for(failure: Failure | None) -> None:
    if failure is Failure.NO_PRIMARY:
        raise ServerSelectionTimeoutError("no primary")
    if failure is not None:
        raise AutoReconnect("connection reset")


def _quietly(do: Callable[[], None]) -> None:
    try:
        do()
    except (DuplicateKeyError, WriteError):
        return
