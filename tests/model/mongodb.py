"""The replica set: one primary whose newest writes a failover may roll back."""

from collections.abc import Iterator

from model.world import Order, Relay, Step, World

MOST_UNCOMMITTED = 3  # beyond, writers wait, as flow control makes them


def can_write(world: World) -> bool:
    """Tells whether the primary takes another write."""
    return len(world.orders) <= MOST_UNCOMMITTED


def write(world: World, order: Order) -> World:
    """The primary applies a write; a majority does not have it yet."""
    return world._replace(orders=(*world.orders, order))


def read(world: World, *, majority: bool) -> Order | None:
    """The order as readConcern majority or local shows it."""
    return world.view if majority else world.newest


def replicate(world: World) -> Iterator[Step]:
    """The oldest uncommitted write reaches a majority."""
    if not world.all_committed:
        committed = world.orders[1]
        past = world.orders[0] if world.left.failovers else None
        yield Step(
            "mongodb",
            "the write reaches a majority",
            world._replace(orders=world.orders[1:], view=committed, past=past),
        )


def catch_up(world: World) -> Iterator[Step]:
    """A new primary's majority view catches up with what had been committed before it."""
    if world.view != world.orders[0]:
        yield Step("mongodb", "the new primary's majority view catches up", world._replace(view=world.orders[0]))


def fail_over(world: World) -> Iterator[Step]:
    """Another member becomes primary, with any part of the uncommitted writes.

    Whoever waits for a majority gets an error: the driver repeats an insert (same id), the processor its batch, and the
    sweep gives up until its next turn.
    """
    if not world.left.failovers:
        return
    failovers = world.left.failovers - 1
    consumer = world.consumer._replace(doing="got") if world.consumer.doing == "writing" else world.consumer
    broken = world._replace(
        left=world.left._replace(failovers=failovers),
        past=world.past if failovers else None,
        tries=(_broken(world.tries[0]), _broken(world.tries[1])),
        relays=(_released(world.relays[0]), _released(world.relays[1])),
        consumer=consumer,
    )
    for kept in range(1, len(world.orders) + 1):
        rolled_back = len(world.orders) - kept
        text = f"failover; writes rolled back: {rolled_back}"
        after = broken._replace(orders=world.orders[:kept])
        yield Step("mongodb", text, after, is_fault=True)
        if world.past != world.view:
            yield Step("mongodb", text + "; the majority view trails", after._replace(view=world.past), is_fault=True)


def _broken(attempt: str) -> str:
    return "new" if attempt == "inserting" else attempt


def _released(relay: Relay) -> Relay:
    return Relay() if relay.doing == "claiming" else relay
