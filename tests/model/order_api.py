"""The two order-api replicas: the request, the fast path, the sweep and the delivery reports."""

from collections.abc import Iterator

from model.mongodb import can_write, read, write
from model.world import DUE, FAILED, NO_MARKER, PLACED, PROCESSED, Order, Relay, Safeguards, Step, World

LONGEST_LOG = 7  # a bound for a broken design; the tests see that a sound one stays below it
REPLICAS = (0, 1)
IDS = "AB"


def place(world: World, guards: Safeguards) -> Iterator[Step]:
    """POST /order: `store.insert`, its answer, and what follows when there is none."""
    for replica in REPLICAS:
        attempt = world.tries[replica]
        actor = f"order-api {replica}"
        if attempt == "new" and can_write(world):
            yield from _insert(world, guards, replica, actor)
        elif attempt == "inserting" and world.all_committed:
            yield from _answer(world, replica, actor, "the insert is acknowledged", IDS[replica])
        elif attempt == "late" and can_write(world):
            arrived = world if world.newest else write(world, Order(IDS[replica]))
            yield Step("mongodb", f"the insert of {IDS[replica]} arrives late", _try(arrived, replica, "unknown"))
        if attempt in ("new", "inserting") and world.left.timeouts:
            yield _time_out(world, guards, replica, actor)


def _time_out(world: World, guards: Safeguards, replica: int, actor: str) -> Step:
    """The insert takes more than 2 s; when it has not reached the primary, it may do so later."""
    under_way = world.tries[replica] == "new" and replica == 0
    after = _repeat(world._replace(left=world.left._replace(timeouts=world.left.timeouts - 1)), replica)
    if under_way:
        after = _try(after, replica, "late")
    if not guards.silent_after_failed_insert:
        after = after._replace(queues=_put(after.queues, replica, IDS[replica]))
    return Step(actor, "the insert times out: 503 outcome-unknown", after, is_fault=True)


def _insert(world: World, guards: Safeguards, replica: int, actor: str) -> Iterator[Step]:
    present = world.newest
    if present is None:
        inserted = write(world, Order(IDS[replica]))
        if guards.majority_insert:
            yield Step(actor, f"store.insert {IDS[replica]}: the primary has it", _try(inserted, replica, "inserting"))
        else:
            yield from _answer(inserted, replica, actor, f"store.insert {IDS[replica]} with w:1", IDS[replica])
        return
    found = read(world, majority=guards.majority_replay)
    if found is not None:
        yield Step(actor, f"duplicate key: 200, the replay of {found.id}", _done(world, replica, found.id))
    else:
        yield Step(actor, "duplicate key, but not safe yet: 503 unavailable", _repeat(world, replica))


def _answer(world: World, replica: int, actor: str, what: str, order_id: str) -> Iterator[Step]:
    done = _done(world, replica, order_id)
    queues = _put(world.queues, replica, order_id)
    yield Step(actor, f"{what}: 200 {order_id}, event queued", done._replace(queues=queues))
    yield Step(actor, f"{what}: 200 {order_id}, queue full", done)


def _done(world: World, replica: int, order_id: str) -> World:
    answered = world.answered if order_id in world.answered else world.answered + order_id
    return _try(world, replica, "answered")._replace(answered=answered)


def _repeat(world: World, replica: int) -> World:
    """The client has no answer: it repeats its request with the same key, at the other replica, then there again."""
    if replica == 0:
        return world._replace(tries=("unknown", "new"))
    return _try(world, replica, "new")


def fast_path(world: World, guards: Safeguards) -> Iterator[Step]:
    """`outbox.Publisher` takes an event from its queue."""
    for replica in REPLICAS:
        if world.queues[replica] and world.relays[replica].doing == "idle":
            taken = world._replace(queues=_put(world.queues, replica, ""))
            yield _produce(taken, guards, replica, world.queues[replica], "outbox.Publisher: produce")


def sweep(world: World, guards: Safeguards) -> Iterator[Step]:
    """`sweep.sweep`: find what is due and claim it, then publish what carries the claim.

    Finding and claiming are one step, since the claim checks once more what was found.
    """
    for replica, relay in enumerate(world.relays):
        if relay.doing == "idle" and can_write(world):
            yield from _claim(world, guards, replica)
        elif relay.doing == "claiming" and world.all_committed:
            seen = world.view
            if seen is not None and seen.id == relay.id and seen.status == PLACED and seen.marker == str(replica):
                yield _produce(world, guards, replica, relay.id, "sweep: the claim holds, produce")
            else:
                yield Step(f"order-api {replica}", "sweep: the claim is gone", _relay(world, replica, Relay()))


def _claim(world: World, guards: Safeguards, replica: int) -> Iterator[Step]:
    found, order = read(world, majority=guards.majority_sweep), world.newest
    if found is None or order is None or order.id != found.id or not (_is_pending(found) and _is_pending(order)):
        return
    early = _in_hand(world, order.id)
    if early and not world.left.overtaken:
        return
    left = world.left._replace(overtaken=world.left.overtaken - 1) if early else world.left
    claimed = write(world._replace(left=left), order._replace(marker=str(replica)))
    if guards.majority_sweep:
        claiming = _relay(claimed, replica, Relay("claiming", order.id))
        text = f"sweep: {order.id} is due{' too early' if early else ''}, claimed"
        yield Step(f"order-api {replica}", text, claiming, is_fault=early)
    else:
        produced = _produce(claimed, guards, replica, order.id, "sweep: claim with w:1, produce")
        yield produced._replace(is_fault=early)


def _is_pending(order: Order) -> bool:
    return order.status == PLACED and order.marker != NO_MARKER


def _in_hand(world: World, order_id: str) -> bool:
    """Tells whether a replica is still at work on the order, which is what the time until `due` is for."""
    inserting = world.tries[IDS.index(order_id)] == "inserting"
    return inserting or order_id in world.queues or any(relay.id == order_id for relay in world.relays)


def deliver(world: World, _: Safeguards) -> Iterator[Step]:
    """The log takes an event or refuses it; the delivery report, however late, removes the marker."""
    for replica, relay in enumerate(world.relays):
        if relay.doing == "produced":
            if len(world.log) < LONGEST_LOG:
                stored = _relay(world, replica, Relay("stored", relay.id))
                yield Step(
                    "kafka",
                    f"the log takes {relay.id} at offset {len(world.log)}",
                    stored._replace(log=world.log + relay.id),
                )
            yield Step("kafka", f"delivery of {relay.id} fails", _relay(world, replica, Relay()))
        elif relay.doing == "stored" and can_write(world):
            reported = remove_marker(_relay(world, replica, Relay()), relay.id)
            yield Step(f"order-api {replica}", f"outbox.Publisher: {relay.id} is delivered, its marker goes", reported)


def _produce(world: World, guards: Safeguards, replica: int, order_id: str, text: str) -> Step:
    after = _relay(world, replica, Relay("produced", order_id))
    if not guards.marker_until_delivered:
        after = remove_marker(after, order_id)
    return Step(f"order-api {replica}", f"{text} {order_id}", after)


def remove_marker(world: World, order_id: str) -> World:
    """`$unset outbox` of a known id, with w:1."""
    order = world.newest
    if order is None or order.id != order_id or order.marker == NO_MARKER:
        return world
    return write(world, order._replace(marker=NO_MARKER))


def crash_api(world: World, _: Safeguards) -> Iterator[Step]:
    """Kill -9 of a replica: its queue, its claims and its reports are gone, and its client has no answer."""
    if not world.left.crashes:
        return
    for replica in REPLICAS:
        before = world._replace(left=world.left._replace(crashes=world.left.crashes - 1))
        if world.tries[replica] in ("new", "inserting"):
            before = _repeat(before, replica)
        lost = _relay(before._replace(queues=_put(before.queues, replica, "")), replica, Relay())
        if lost._replace(left=world.left) != world:
            yield Step(f"order-api {replica}", "kill -9", lost, is_fault=True)


def redrive(world: World, guards: Safeguards) -> Iterator[Step]:
    """`retail dead-letters redrive`: FAILED → PLACED with the marker back."""
    order = world.newest
    if order is None or not can_write(world):
        return
    if order.status == FAILED or (order.status == PROCESSED and not guards.redrive_only_failed):
        marker = DUE if guards.redrive_restores_marker else NO_MARKER
        yield Step("operator", f"retail redrive {order.id}", write(world, order._replace(status=PLACED, marker=marker)))


def _try(world: World, replica: int, attempt: str) -> World:
    return world._replace(tries=(attempt, world.tries[1]) if replica == 0 else (world.tries[0], attempt))


def _put(queues: tuple[str, str], replica: int, order_id: str) -> tuple[str, str]:
    return (order_id, queues[1]) if replica == 0 else (queues[0], order_id)


def _relay(world: World, replica: int, relay: Relay) -> World:
    return world._replace(relays=(relay, world.relays[1]) if replica == 0 else (world.relays[0], relay))
