"""Requests that share a write, each in a thread, on a collection whose writes wait until a test releases them."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

from bson.errors import InvalidDocument
from pymongo.errors import BulkWriteError

from order_api.group_commit import GroupCommit
from order_api.shared_call import BATCH
from support import wait

PATIENCE = 30.0  # seconds that a request waits in tests in which it must not give up


class SlowCollection:
    """A collection whose writes wait until `let_through` releases them; then each stores or raises."""

    def __init__(self) -> None:
        self.writes: list[list[str]] = []
        self.stored: set[str] = set()
        self.error: BaseException | None = None
        self.details: dict[str, Any] = {}
        self._gate = threading.Semaphore(0)

    def insert_one(self, document: dict[str, Any]) -> None:
        self._write([document["_id"]])

    def insert_many(self, documents: Sequence[dict[str, Any]], *, ordered: bool) -> None:
        assert not ordered  # one failed document must not stop the others
        self._write([document["_id"] for document in documents])

    def let_through(self, writes: int = 1) -> None:
        self._gate.release(writes)

    def _write(self, ids: list[str]) -> None:
        self.writes.append(ids)
        assert self._gate.acquire(timeout=30)
        if self.error is not None and (len(ids) > 1 or not isinstance(self.error, InvalidDocument)):
            raise self.error
        if self.details and len(ids) > 1:
            failed = {entry["index"] for entry in self.details.get("writeErrors", [])}
            self.stored |= {order_id for index, order_id in enumerate(ids) if index not in failed}
            raise BulkWriteError(self.details)
        self.stored |= set(ids)


class Requests:
    """Requests in separate threads: the first one writes, the others wait for that write."""

    def __init__(self, pool: ThreadPoolExecutor, *, seconds: float) -> None:
        self.collection = SlowCollection()
        anything: Any = self.collection
        self.commit = GroupCommit(anything, seconds=seconds)
        self._pool = pool
        self.outcomes: dict[str, Future[None]] = {}

    def start(self, *order_ids: str) -> None:
        """Start the requests one after the other; after each, wait until it writes or is queued."""
        for order_id in order_ids:
            waiting = len(self.commit._writes._queue)
            self.outcomes[order_id] = self._pool.submit(self.commit.insert, {"_id": order_id})
            wait.until(partial(self._has_begun, order_id, waiting), f"{order_id} to write or wait")

    def _has_begun(self, order_id: str, waiting: int) -> bool:
        return len(self.commit._writes._queue) > waiting or [order_id] in self.collection.writes

    def error(self, order_id: str) -> BaseException | None:
        return self.outcomes[order_id].exception(timeout=30)

    def finish(self) -> None:
        self.collection.let_through(1_000)


@contextmanager
def requests(*, seconds: float | None = None) -> Iterator[Requests]:
    with ThreadPoolExecutor(BATCH + 8) as pool:
        made = Requests(pool, seconds=PATIENCE if seconds is None else seconds)
        try:
            yield made
        finally:
            made.finish()
