"""The sweep: orders whose event is not known to be published are claimed, by whichever replica comes first."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from order_api.orders import Document
from shared.resilience import crash

BATCH = 500
CLAIM = timedelta(seconds=30)  # longer than a delivery may take
TOO_FAR_AHEAD = timedelta(minutes=2)  # no claim sets such a `due`: a clock was wrong
FIRST_BACK_OFF = timedelta(seconds=1)
LONGEST_BACK_OFF = timedelta(seconds=20)


class Backlog(NamedTuple):
    """How many orders wait for their event to be published, and the age of the oldest in seconds."""

    pending: int
    oldest_seconds: float


class Outbox(Protocol):
    """The markers in the database; every method raises StoreUnavailable, and leaves out what fails for one order."""

    def now(self) -> datetime:
        """Return the database's clock."""

    def find_due(self, now: datetime, limit: int) -> list[str]:
        """Return ids of PLACED orders whose `due` has passed, or is too far ahead, safe on a majority.

        Orders whose claim the database refused in the last 30 s are left out (10,000 of them at most).
        """

    def claim(self, ids: Sequence[str], claim: str, now: datetime) -> None:
        """Give those of `ids` that are still due to `claim` for 30 s, safe on a majority."""

    def find_claimed(self, ids: Sequence[str], claim: str) -> list[Document]:
        """Return those of `ids` that carry `claim`, safe on a majority."""

    def release(self, ids: Sequence[str], claims: Sequence[str], jitter: float) -> None:
        """Make those of `ids` that carry one of `claims` due again after a back-off of 1 to 20 s, by their attempts.

        `jitter` from 0 to 1 shortens it by up to a half.
        """

    def remove(self, ids: Sequence[str]) -> None:
        """Take the markers of `ids` away: their events are published."""

    def backlog(self) -> Backlog:
        """Return what is in the outbox."""


def sweep(outbox: Outbox, *, claim: str, limit: int) -> list[Document]:
    """Claim up to `limit` orders under the fresh name `claim`, and return them: they are to be published.

    A claim that is lost costs a delay of 30 s or a duplicate, never an order.
    """
    now = outbox.now()
    ids = outbox.find_due(now, limit)
    if not ids:
        return []
    outbox.claim(ids, claim, now)
    crash.point("after-claim")
    return outbox.find_claimed(ids, claim)
