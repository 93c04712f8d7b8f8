"""The state of the model: one request, its order, and every process that handles it.

A client that gets no 200 retries with the same Idempotency-Key; as in the real service, the retry gets a new order id.
So one request has two tries with the ids `A` and `B`, and the unique index accepts at most one of them.
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

T = TypeVar("T")

IDS = "AB"  # the id of each try
PLACED, PROCESSED, FAILED = "PLACED", "PROCESSED", "FAILED"
NEW = "new"  # the outbox entry that the insert wrote, not claimed since
DUE = "due"  # an entry that was restored, not claimed since
CLAIMS = ("1", "2", "3", "4", "5")  # names of claims; one that is not in use any more is given again
GONE = "gone"  # a claim that no order carries any more
NO_ENTRY = ""
EXCLUDED = "excluded"  # the order is neither published nor failed until the operator includes it
NEVER_COMMITTED = -1
UNASSIGNED = -1


class Order(NamedTuple):
    """The order's document.

    `effects` counts the PROCESSED entries in its history. `entry` is its outbox entry: new, due, the name of the claim
    of a sweep, excluded, or empty for none.
    """

    id: str
    status: str = PLACED
    entry: str = NEW
    effects: int = 0


class Relay(NamedTuple):
    """The relay thread of an order-api replica; `doing` is idle, claiming, produced or stored.

    `entry` is the outbox entry with which the event was sent: new on the fast path, otherwise the name of a claim.
    """

    doing: str = "idle"
    id: str = ""
    entry: str = NO_ENTRY


class Removal(NamedTuple):
    """The outbox entry of a delivered event, which is to be removed: the order's id, and the entry that was seen."""

    id: str
    entry: str


class Consumer(NamedTuple):
    """The consumer that owns the partition; `doing` is idle, got, writing or written.

    With `stale`, the event in flight is from a topic that was deleted.
    """

    doing: str = "idle"
    position: int = UNASSIGNED
    id: str = ""
    stale: bool = False


class Reconciler(NamedTuple):
    """A pass of a reconciler; `doing` is idle, seen (an order without outbox entry), waiting (for `end`) or passed."""

    doing: str = "idle"
    id: str = ""
    end: int = 0


class Faults(NamedTuple):
    """How often each fault may still occur."""

    crashes: int = 0  # a process is killed, or paused for so long that its partition is reassigned
    failovers: int = 0  # the MongoDB primary changes
    timeouts: int = 0  # the client or order-api stops waiting for an insert that may still succeed
    overtaken: int = 0  # a sweep claims an entry while a replica still works on the order
    losses: int = 0  # the topic is deleted and created again, empty
    rejections: int = 0  # a business rule or the validator rejects the order
    poisons: int = 0  # the event cannot be decoded
    exclusions: int = 0  # MongoDB accepts no change of the order except to its outbox entry

    def __str__(self) -> str:
        return ",".join(f"{name}={count}" for name, count in self._asdict().items() if count) or "none"


class State(NamedTuple):
    """A state of the model: hashable, and small enough to keep a million of them.

    - `left`: the faults that may still occur.
    - `orders`: the versions of the order on the primary; the first is committed by a majority, the last is the newest.
    - `view`: what readConcern majority shows; after a failover it may fall back to `past`.
    - `tries`: the client's try at replica 0, and the retry at replica 1 after a try that got no 200: new, inserting,
      answered, late (still on its way to the primary) or unknown.
    - `answered`: the ids answered with 200.
    - `queues`: each replica's in-process queue.
    - `removals`: for each replica, the entries of delivered events that it is to remove.
    - `late_event`: the id of an event that a killed replica has sent, and that is still on its way to Kafka.
    - `log`: the ids of the events in the partition, in their order; `offset`: the group's committed offset.
    - `zombie`: the order in the batch of a process that was paused and lost its partition meanwhile.
    """

    left: Faults
    orders: tuple[Order | None, ...] = (None,)
    view: Order | None = None
    past: Order | None = None
    tries: tuple[str, str] = ("new", "")
    answered: str = ""
    queues: tuple[str, str] = ("", "")
    removals: tuple[tuple[Removal, ...], tuple[Removal, ...]] = ((), ())
    relays: tuple[Relay, Relay] = (Relay(), Relay())
    late_event: str = ""
    log: str = ""
    offset: int = NEVER_COMMITTED
    consumer: Consumer = Consumer()
    zombie: str = ""
    reconcilers: tuple[Reconciler, ...] = (Reconciler(), Reconciler())

    @property
    def newest(self) -> Order | None:
        """The order as a local read on the primary sees it."""
        return self.orders[-1]

    @property
    def all_committed(self) -> bool:
        """Whether every write is on a majority."""
        return len(self.orders) == 1


@dataclass(frozen=True)
class Safeguards:
    """The safeguards of the design; tests switch them off."""

    majority_insert: bool = True
    majority_replay: bool = True
    silent_after_failed_insert: bool = True
    majority_sweep: bool = True
    entry_until_delivered: bool = True
    removal_compares_claim: bool = True
    removal_compares_due: bool = True
    conditional_update: bool = True
    majority_update: bool = True
    commit_after_write: bool = True
    reconciliation: bool = True
    restart_on_shorter_log: bool = True
    majority_pass: bool = True
    redrive_only_failed: bool = True
    redrive_restores_entry: bool = True
    exclusion_keeps_entry: bool = True
    include_restores_entry: bool = True
    partition_revoked_with_topic: bool = True  # a behaviour of Kafka: consumers of a deleted topic lose their positions


class Step(NamedTuple):
    """One action of one process, or a fault."""

    actor: str
    text: str
    state: State
    is_fault: bool = False


def replaced(values: tuple[T, T], replica: int, value: T) -> tuple[T, T]:
    """Return the values of both replicas, with a new one for `replica`."""
    return (value, values[1]) if replica == 0 else (values[0], value)
