"""The model of the replica set: a failover may roll back the primary's newest writes."""

from collections.abc import Iterator

from model.state import Order, Relay, State, Step

MOST_UNCOMMITTED = 3  # with so many uncommitted writes, writers wait, as with MongoDB's flow control


def can_write(state: State) -> bool:
    """Return whether the primary accepts another write."""
    return len(state.orders) <= MOST_UNCOMMITTED


def write(state: State, order: Order) -> State:
    """Apply a write on the primary; it is not yet on a majority."""
    return state._replace(orders=(*state.orders, order))


def read(state: State, *, majority: bool) -> Order | None:
    """Return the order as a read with readConcern majority or local sees it."""
    return state.view if majority else state.newest


def replicate(state: State) -> Iterator[Step]:
    """The oldest uncommitted write reaches a majority."""
    if not state.all_committed:
        committed = state.orders[1]
        past = state.orders[0] if state.left.failovers else None
        yield Step(
            "mongodb",
            "the write reaches a majority",
            state._replace(orders=state.orders[1:], view=committed, past=past),
        )


def catch_up(state: State) -> Iterator[Step]:
    """The majority view of a new primary catches up with earlier commits."""
    if state.view != state.orders[0]:
        yield Step("mongodb", "the new primary's majority view catches up", state._replace(view=state.orders[0]))


def fail_over(state: State) -> Iterator[Step]:
    """Another member becomes primary and keeps none, some or all of the uncommitted writes, the oldest first.

    Operations that wait for a majority fail: the driver retries an insert with the same id, the processor retries its
    batch, and the sweep continues in its next round. Where nothing waits, a relay that has claimed an order may have
    its answer already: the driver then repeats the read of the claims on the new primary.
    """
    if not state.left.failovers:
        return
    failovers = state.left.failovers - 1
    consumer = state.consumer._replace(doing="got") if state.consumer.doing == "writing" else state.consumer
    relays = state.relays if state.all_committed else (_released(state.relays[0]), _released(state.relays[1]))
    broken = state._replace(
        left=state.left._replace(failovers=failovers),
        past=state.past if failovers else None,
        tries=(_broken(state.tries[0]), _broken(state.tries[1])),
        relays=relays,
        consumer=consumer,
    )
    for kept in range(1, len(state.orders) + 1):
        rolled_back = len(state.orders) - kept
        text = f"failover; writes rolled back: {rolled_back}"
        after = broken._replace(orders=state.orders[:kept])
        yield Step("mongodb", text, after, is_fault=True)
        if state.past != state.view:
            yield Step("mongodb", text + "; the majority view lags", after._replace(view=state.past), is_fault=True)


def _broken(attempt: str) -> str:
    return "new" if attempt == "inserting" else attempt


def _released(relay: Relay) -> Relay:
    return Relay() if relay.doing == "claiming" else relay
