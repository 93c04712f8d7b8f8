"""The state of the modelled order path: one request, its order, and every process that touches it.

A request without a response is retried with the same Idempotency-Key and, as in the real service, a new order id. So
one request has two tries, `A` and `B`; the unique index admits at most one of them to the database.
"""

from dataclasses import dataclass
from typing import NamedTuple

PLACED, PROCESSED, FAILED = "PLACED", "PROCESSED", "FAILED"
DUE = "due"  # an outbox entry that no sweep has claimed
NO_ENTRY = ""
EXCLUDED = "excluded"  # the order can be neither published nor failed until the operator includes it again
NEVER_COMMITTED = -1
UNASSIGNED = -1


class Order(NamedTuple):
    """The order document.

    `effects` counts the PROCESSED entries of its history; a claimed outbox entry names the claiming replica.
    """

    id: str
    status: str = PLACED
    entry: str = DUE
    effects: int = 0


class Relay(NamedTuple):
    """The relay thread of one order-api replica: `doing` is idle, claiming, produced or stored."""

    doing: str = "idle"
    id: str = ""


class Consumer(NamedTuple):
    """The order-processor that owns the partition: `doing` is idle, got, writing or written.

    `stale`: what it has in flight comes from a deleted topic.
    """

    doing: str = "idle"
    position: int = UNASSIGNED
    id: str = ""
    stale: bool = False


class Reconciler(NamedTuple):
    """One pass: `doing` is idle, seen (an order without outbox entry), waiting (for `end` to be passed) or passed."""

    doing: str = "idle"
    id: str = ""
    end: int = 0


class Faults(NamedTuple):
    """How often each fault may still occur."""

    crashes: int = 0  # kill -9 of any process, or a pause so long that its partition is reassigned
    failovers: int = 0  # of the MongoDB primary
    timeouts: int = 0  # the client or order-api stops waiting for an insert that may still succeed
    overtaken: int = 0  # a claim expires while its replica still works
    losses: int = 0  # the topic is recreated, empty
    rejections: int = 0  # a business rule or the validator rejects the order
    poisons: int = 0  # the event cannot be decoded
    exclusions: int = 0  # the order cannot be changed, but for its outbox entry, until the operator has repaired it

    def __str__(self) -> str:
        return ",".join(f"{name}={count}" for name, count in self._asdict().items() if count) or "none"


class State(NamedTuple):
    """A state. Hashable, and small enough to keep a million of them.

    - `orders`: on the primary; the first is committed by a majority, the last is the newest.
    - `view`: what readConcern majority shows; after a failover it may lag, as far as `past`.
    - `tries`: of the request, at replica 0 and 1: new, inserting, answered, late (still on its way to the primary),
      unknown; the second starts when the first got no response.
    - `answered`: the ids answered with 200.
    - `queues`: each replica's in-process queue.
    - `log`: the ids of the events in the partition, in their order; `offset`: the group's committed offset.
    - `zombie`: the batch of a process that was paused and lost its partition meanwhile.
    """

    left: Faults
    orders: tuple[Order | None, ...] = (None,)
    view: Order | None = None
    past: Order | None = None
    tries: tuple[str, str] = ("new", "")
    answered: str = ""
    queues: tuple[str, str] = ("", "")
    relays: tuple[Relay, Relay] = (Relay(), Relay())
    log: str = ""
    offset: int = NEVER_COMMITTED
    consumer: Consumer = Consumer()
    zombie: str = ""
    reconcilers: tuple[Reconciler, ...] = (Reconciler(), Reconciler())

    @property
    def newest(self) -> Order | None:
        """The order as a local read on the primary shows it."""
        return self.orders[-1]

    @property
    def all_committed(self) -> bool:
        """True if no write waits for a majority."""
        return len(self.orders) == 1


@dataclass(frozen=True)
class Safeguards:
    """The safeguards of the design; a test drops them one at a time."""

    majority_insert: bool = True
    majority_replay: bool = True
    silent_after_failed_insert: bool = True
    majority_sweep: bool = True
    entry_until_delivered: bool = True
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
    partition_revoked_with_topic: bool = True  # of Kafka: the consumer group drops the positions of a deleted topic


class Step(NamedTuple):
    """One action of one process, or a fault."""

    actor: str
    text: str
    state: State
    is_fault: bool = False
