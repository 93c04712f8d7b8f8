"""The outbox in MongoDB: the `outbox` field of each order whose event is not confirmed as published."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import randrange

from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from order_api.orders import Document
from shared.mongo import is_document_error, truncate_to_milliseconds
from shared.ordering import outbox_entry, schema
from shared.ordering.transitions import OrderTransitions, technical_failure
from shared.resilience import crash
from shared.resilience.breaker import Breaker
from shared.resilience.outage import Bisect, bisect
from shared.store import StoreUnavailable, errors_as_unavailable, run_guarded
from shared.telemetry import log

BATCH = 500
SWEEPS_PER_FIND = 10
CLAIM = timedelta(seconds=30)  # longer than a delivery may take
TOO_FAR_AHEAD = timedelta(minutes=2)  # claims never set `due` this far ahead: such a time comes from a wrong clock
FIRST_BACK_OFF = timedelta(seconds=1)
LONGEST_BACK_OFF = timedelta(seconds=20)
REJECTED_LIMIT = 10_000
MAX_FAILURES = 5
FAILURES_KEPT = timedelta(hours=1)  # an order whose failures continue is tried again within minutes
BY = "order-api"
Change = Document | list[Document]

logger = log.get(__name__)


class Outbox:
    """The outbox entries, behind the MongoDB breaker. For one thread.

    Every method may raise StoreUnavailable. An order whose update MongoDB rejects stays as it is; the others are
    updated.
    """

    def __init__(
        self,
        database: Database[Document],
        breaker: Breaker,
        *,
        choose: Callable[[int], int] = randrange,
        bisect: Bisect = bisect,
    ) -> None:
        """`choose(n)` returns a number below n: the sweep that comes first of the n that a find serves.

        Replicas find the same orders, so they must not begin with the same ones.
        """
        self._choose = choose
        self._bisect = bisect
        self._admin = database.client.admin
        self._orders: Collection[Document] = database[schema.COLLECTION]
        self._majority = self._orders.with_options(read_concern=ReadConcern("majority"))
        # A lost removal or release costs a duplicate or a delay, so it need not wait for a majority.
        self._fast = self._orders.with_options(write_concern=WriteConcern(w=1))
        self._breaker = breaker
        self._transitions = OrderTransitions(database, breaker)
        self._rejected: dict[str, datetime] = {}  # time of the rejected claim, by order id
        # number of failures and time of the last one, by id of an order that cannot be claimed or published
        self._failures: dict[str, tuple[int, datetime]] = {}
        self._found: list[str] = []  # ids of due orders for the next sweeps
        # whether more orders were due than the last find returned; not while MongoDB rejects claims, which takes long
        self.others_wait = False
        self._sweeps_per_find = SWEEPS_PER_FIND

    def sweep(self, *, claim: str, limit: int) -> list[Document]:
        """Claim up to `limit` due orders under the unique name `claim`, and return them to be published.

        If the process ends after a claim, that costs a delay of 30 s or a duplicate event, never an order.

        One find serves several sweeps in a row, because it takes longer the more entries were claimed or removed in the
        minutes before. The claim checks again that an order is due.
        """
        now = self.now()
        if not self._found:
            self._find(now, limit)
        ids, self._found = self._found[:limit], self._found[limit:]
        if not ids:
            return []
        self.claim(ids, claim, now)
        crash.point("after-claim")
        claimed = self.find_claimed(ids, claim)
        if len(claimed) < limit:
            self._found = []  # no sweep follows at once, or another replica is at the same orders
        return claimed

    def _find(self, now: datetime, limit: int) -> None:
        """Find orders for the next sweeps of `limit` orders."""
        sweeps, self._sweeps_per_find = self._sweeps_per_find, 1  # after a failure, find fewer
        found = self.find_due(now, sweeps * limit)
        self._sweeps_per_find = SWEEPS_PER_FIND
        self.others_wait = len(found) == sweeps * limit
        first = limit * self._choose(max(1, len(found) // limit))
        self._found = found[first:] + found[:first]

    def now(self) -> datetime:
        """Return the time of the database's clock."""
        aware = self._orders.codec_options  # by default a command returns times without a time zone
        hello = run_guarded(self._breaker, lambda: self._admin.command("hello", codec_options=aware))
        now: datetime = hello["localTime"]
        return now

    def find_due(self, now: datetime, limit: int) -> list[str]:
        """Return ids of PLACED orders whose `due` has passed, is too far ahead or is malformed, from a majority read.

        An order whose claim was rejected is skipped for 30 s, as if it had been claimed. Otherwise a batch of such
        orders, which always come first by `due`, would hide all others. At most 10,000 are skipped.
        """
        self._rejected = {order_id: at for order_id, at in self._rejected.items() if abs(now - at) < CLAIM}
        self._failures = {i: last for i, last in self._failures.items() if abs(now - last[1]) < FAILURES_KEPT}
        enough = limit + len(self._rejected)

        def find() -> list[Document]:
            return [*self._majority.find(_due(now), {"_id": 1}, limit=enough, batch_size=enough)]  # in one reply

        found = run_guarded(self._breaker, find)
        return [record["_id"] for record in found if record["_id"] not in self._rejected][:limit]

    def claim(self, ids: Sequence[str], claim: str, now: datetime) -> None:
        """Claim those of `ids` that are still due, under the name `claim` and for 30 s, with a majority write."""
        change = {"$set": {"outbox.due": now + CLAIM, "outbox.claim": claim}, "$inc": {"outbox.attempts": 1}}
        rejected = self._update(self._orders, ids, _due(now), change)
        self._rejected = self._rejected | dict.fromkeys(rejected[: REJECTED_LIMIT - len(self._rejected)], now)
        self.others_wait = self.others_wait and not rejected
        for order_id in rejected:
            self.record_failure(order_id)

    def record_failure(self, order_id: str) -> None:
        """Count a failure of this order alone; the fifth makes it FAILED or, if MongoDB rejects that, excluded.

        After an hour without another failure of the order, its failures are forgotten.
        """
        at = truncate_to_milliseconds(self.now())
        failures = self._failures.pop(order_id, (0, at))[0] + 1
        if failures < MAX_FAILURES:
            if len(self._failures) < REJECTED_LIMIT:
                self._failures[order_id] = failures, at
            return
        try:
            with errors_as_unavailable():
                self._transitions.fail([order_id], at=at, by=BY, reason=technical_failure(order_id))
        except StoreUnavailable as error:
            if isinstance(error.__cause__, PyMongoError) and is_document_error(error.__cause__):
                return  # the order is excluded
            raise
        except UnicodeEncodeError:
            return  # the id is not valid UTF-8, so no update can name the order
        logger.error("order_failed", order_id=order_id, cause="its event cannot be published")

    def find_claimed(self, ids: Sequence[str], claim: str) -> list[Document]:
        """Return those of `ids` that carry `claim`, without their history, from a majority read.

        An order that the driver cannot decode is left out, and a failure of it is recorded.
        """
        claimed: list[Document] = []
        strict = self._orders.codec_options.with_options(unicode_decode_error_handler="strict")
        orders = self._majority.with_options(codec_options=strict)

        def read(some: Sequence[str]) -> None:
            query = {"_id": {"$in": [*some]}, "status": "PLACED", "outbox.claim": claim}
            with self._breaker.guard():
                claimed.extend([*orders.find(query, {"history": 0}, batch_size=BATCH + 1)])  # in one reply

        with errors_as_unavailable():
            broken = self._bisect(ids, read)
        for order_id, error in broken:
            logger.error("outbox_order_unreadable", order_id=order_id, error=type(error).__name__)
            self.record_failure(order_id)
        return claimed

    def release(self, ids: Sequence[str], claims: Sequence[str], jitter: float) -> None:
        """Make those of `ids` that carry one of `claims` due again after 1 s, doubled with each attempt up to 20 s.

        `jitter` from 0 to 1 shortens the back-off by up to a half.
        """
        doubled = {"$multiply": [_milliseconds(FIRST_BACK_OFF), {"$pow": [2, {"$subtract": ["$outbox.attempts", 1]}]}]}
        delay = {"$multiply": [{"$min": [_milliseconds(LONGEST_BACK_OFF), doubled]}, 1 - jitter / 2]}
        due = {"$add": ["$$NOW", delay]}
        query = {"status": "PLACED", "outbox.claim": {"$in": [*claims]}}
        self._update(self._fast, ids, query, [{"$set": {"outbox.due": due}}])

    def remove_claimed(self, claims: Mapping[str, str]) -> None:
        """Remove the entries of delivered events; `claims` maps each order id to the claim of the sweep that sent it.

        An entry that was claimed or restored since then stays: it stands for an event that is still to be published.
        """
        ids: dict[str, list[str]] = {}
        for order_id, claim in claims.items():
            ids.setdefault(claim, []).append(order_id)
        for claim, some in ids.items():
            self._update(self._fast, some, {"outbox.claim": claim}, outbox_entry.remove())

    def remove_unclaimed(self, dues: Mapping[str, datetime]) -> None:
        """Remove the entries of delivered events that no sweep has claimed, if their orders are still PLACED.

        `dues` maps each order id to the `due` of the entry when its event was sent. An entry that was claimed or
        restored since then stays: it stands for an event that is still to be published.

        Most of these orders are PROCESSED by now and have no entry. A read finds the others first: the update compares
        every order with the fields of all orders, so for all of `dues` it would take twenty times as long.
        """
        query = {"_id": {"$in": [*dues]}, "outbox": {"$exists": True}}
        found = run_guarded(self._breaker, lambda: [*self._fast.find(query, {"_id": 1})])
        if ids := [record["_id"] for record in found]:
            unchanged = {"status": "PLACED", "outbox.claim": None}
            same = [{"_id": order_id, "outbox.due": dues[order_id]} for order_id in ids]
            self._update(self._fast, ids, unchanged | {"$or": same}, outbox_entry.remove())

    def _update(self, orders: Collection[Document], ids: Sequence[str], query: Document, change: Change) -> list[str]:
        """Change those of `ids` that match `query`; return the ids whose own update MongoDB rejects."""

        def apply(some: Sequence[str]) -> None:
            with self._breaker.guard():
                orders.update_many({"_id": {"$in": [*some]}} | query, change)

        with errors_as_unavailable():
            rejected = [order_id for order_id, _ in self._bisect(ids, apply)]
        if rejected:
            logger.error("outbox_update_rejected", count=len(rejected), order_id=rejected[0])
        return rejected


def _due(now: datetime) -> Document:
    passed = [
        {"outbox.due": {"$lte": now}},
        {"outbox.due": {"$gt": now + TOO_FAR_AHEAD}},
        outbox_entry.MALFORMED_DUE,
    ]
    return {"status": "PLACED", "$or": passed}


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
