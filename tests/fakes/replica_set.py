"""A MongoDB replica set in memory, for the real stores; a failover rolls back writes that no majority has.

It holds one collection with its unique indexes. A test decides when writes reach a majority, when the primary changes,
and which operation fails.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from pymongo.errors import AutoReconnect, DuplicateKeyError, WriteError

from fakes import documents
from fakes.documents import Update
from fakes.expressions import Document, copied, value_at
from shared.ordering import outbox_entry

DOCUMENT_VALIDATION = 121


class Failure(Enum):
    """The ways in which an operation fails; the caller gets an error in each case."""

    NO_PRIMARY = auto()  # the client finds no primary and sends nothing
    LOST = auto()  # the operation is sent, but never applied
    LATE = auto()  # the client stops waiting; the operation is applied later
    UNANSWERED = auto()  # the operation is applied on the primary only, and the reply is lost


class Write(NamedTuple):
    """An entry of the oplog: a document before and after a write."""

    id: str
    before: Document | None
    after: Document


class ReplicaSet:
    """A replica set, seen as the state of its primary and its majority view.

    `primary` is what a local read returns, `view` what a majority read returns. A test can set two hooks:
    `before_operation` gets an operation's name and returns how it fails, or None; `on_majority_wait` is called while a
    write waits for a majority, and may change the state.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.primary: dict[str, Document] = {}
        self.view: dict[str, Document] = {}
        self.before_operation: Callable[[str], Failure | None] = lambda _: None
        self.on_majority_wait: Callable[[], None] = lambda: None
        self.rejected_ids: set[str] = set()  # orders of which the validator rejects every update
        self.excludable_ids: set[str] = set()  # orders of which the validator accepts only the exclusion
        self._unique: list[tuple[list[str], Document]] = []  # (fields, partial filter) of each unique index
        self.late: list[Callable[[], None]] = []
        self._uncommitted: list[Write] = []
        self._unseen: list[Write] = []  # committed, but not in the majority view yet
        self._seen: list[Write] = []
        self._term = 0
        self._lock = threading.RLock()

    def find(self, query: Mapping[str, Any], *, local: bool) -> list[Document]:
        """Return the matching documents, as a local or a majority read sees them."""
        with self._lock:
            return _matching(self.primary if local else self.view, query)

    def replicate(self, count: int | None = None) -> None:
        """Commit the oldest `count` uncommitted writes, by default all."""
        with self._lock:
            self._unseen += self._uncommitted[:count]
            del self._uncommitted[:count]
            self.catch_up()

    def catch_up(self) -> None:
        """Let the majority view show all committed writes."""
        for write in self._unseen:
            self.view[write.id] = write.after
        self._seen += self._unseen
        self._unseen.clear()

    def fail_over(self, *, kept: int = 0, trailing: int = 0) -> None:
        """Change the primary: the oldest `kept` uncommitted writes survive, and `view` lags by `trailing` writes."""
        self._term += 1
        for write in reversed(self._uncommitted[kept:]):
            _restore(self.primary, write)
        del self._uncommitted[kept:]
        for _ in range(min(trailing, len(self._seen))):
            write = self._seen.pop()
            self._unseen.insert(0, write)
            _restore(self.view, write)

    def apply_late_operation(self) -> None:
        """Apply the oldest operation whose client has stopped waiting."""
        if self.late:
            self.late.pop(0)()

    def index(self, fields: list[str], part: Document) -> None:
        """Create a unique index on `fields` for the documents that match the partial filter `part`."""
        if (fields, part) not in self._unique:
            self._unique.append((fields, part))

    def insert(self, document: Document) -> None:
        """Insert on the primary; raise DuplicateKeyError for a duplicate."""
        with self._lock:
            if document["_id"] in self.primary or any(self._collides(document, *index) for index in self._unique):
                raise DuplicateKeyError("E11000 duplicate key error", 11000)
            self._write(Write(document["_id"], None, copied(document)))

    def update(self, query: Mapping[str, Any], update: Update, *, many: bool) -> int:
        """Update on the primary and return how many documents changed; raise WriteError if one cannot be updated."""
        with self._lock:
            found = _matching(self.primary, query)
            is_exclusion = update == outbox_entry.exclude()
            changed = 0
            for document in found if many else found[:1]:
                if document["_id"] in self.rejected_ids or (
                    document["_id"] in self.excludable_ids and not is_exclusion
                ):
                    raise WriteError("Document failed validation", DOCUMENT_VALIDATION)
                try:
                    after = documents.updated(document, update, self.now())
                except documents.NotApplicable as error:
                    raise WriteError(str(error), error.code) from None
                if after != document:
                    changed += 1
                    self._write(Write(document["_id"], document, after))
        return changed

    def acknowledge(self, *, majority: bool) -> None:
        """Wait for the write concern; raise AutoReconnect if the primary changes meanwhile."""
        if not majority:
            return
        term = self._term
        self.on_majority_wait()
        if term != self._term:
            raise AutoReconnect("connection closed: the primary has stepped down")
        self.replicate()

    def commit_all(self) -> None:
        """Wait until all earlier writes are committed or, after a failover, rolled back."""
        self.on_majority_wait()
        self.replicate()

    def _collides(self, document: Document, fields: list[str], part: Document) -> bool:
        same = part | {field: value_at(document, field) for field in fields}
        return documents.matches(document, part) and any(documents.matches(o, same) for o in self.primary.values())

    def _write(self, write: Write) -> None:
        self.primary[write.id] = write.after
        self._uncommitted.append(write)


def _matching(state: dict[str, Document], query: Mapping[str, Any]) -> list[Document]:
    """Return the documents of `state` that match; a query for ids looks up only these, in ascending order."""
    match query.get("_id"):
        case str(order_id):
            ids = [order_id]
        case {"$in": [*several]}:
            ids = sorted({*several})
        case _:
            return [document for document in state.values() if documents.matches(document, query)]
    return [state[order_id] for order_id in ids if order_id in state and documents.matches(state[order_id], query)]


def _restore(state: dict[str, Document], write: Write) -> None:
    if write.before is None:
        del state[write.id]
    else:
        state[write.id] = write.before
