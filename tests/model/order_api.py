"""The model of two order-api replicas: request, fast path, sweep and delivery reports."""

from collections.abc import Iterator

from model.mongodb import can_write, read, write
from model.state import DUE, EXCLUDED, FAILED, NEW, NO_ENTRY, PLACED, PROCESSED, Order, Relay, Safeguards, State, Step

LONGEST_LOG = 7  # bounds the search for broken designs; tests check that the real design stays below it
REPLICAS = (0, 1)
IDS = "AB"


def place(state: State, guards: Safeguards) -> Iterator[Step]:
    """POST /order: `store.insert`, the response, and the client's retry if it gets no 200."""
    for replica in REPLICAS:
        attempt = state.tries[replica]
        actor = f"order-api {replica}"
        if attempt == "new" and can_write(state):
            yield from _insert(state, guards, replica, actor)
        elif attempt == "inserting" and state.all_committed:
            yield from _answer(state, replica, actor, "the insert is acknowledged", IDS[replica])
        elif attempt == "late" and can_write(state):
            arrived = state if state.newest else write(state, Order(IDS[replica]))
            yield Step("mongodb", f"the insert of {IDS[replica]} arrives late", _try(arrived, replica, "unknown"))
        if attempt in ("new", "inserting") and state.left.timeouts:
            yield _time_out(state, guards, replica, actor)


def _time_out(state: State, guards: Safeguards, replica: int, actor: str) -> Step:
    """The insert exceeds its 2 s limit; if the primary does not have it yet, it may arrive later."""
    under_way = state.tries[replica] == "new" and replica == 0
    after = _repeat(state._replace(left=state.left._replace(timeouts=state.left.timeouts - 1)), replica)
    if under_way:
        after = _try(after, replica, "late")
    if not guards.silent_after_failed_insert:
        after = after._replace(queues=_put(after.queues, replica, IDS[replica]))
    return Step(actor, "the insert times out: 503 outcome-unknown", after, is_fault=True)


def _insert(state: State, guards: Safeguards, replica: int, actor: str) -> Iterator[Step]:
    present = state.newest
    if present is None:
        inserted = write(state, Order(IDS[replica]))
        if guards.majority_insert:
            yield Step(actor, f"store.insert {IDS[replica]}: the primary has it", _try(inserted, replica, "inserting"))
        else:
            yield from _answer(inserted, replica, actor, f"store.insert {IDS[replica]} with w:1", IDS[replica])
        return
    found = read(state, majority=guards.majority_replay)
    if found is not None:
        yield Step(actor, f"duplicate key: 200, the replay of {found.id}", _done(state, replica, found.id))
    else:
        yield Step(actor, "duplicate key, but not committed yet: 503 unavailable", _repeat(state, replica))


def _answer(state: State, replica: int, actor: str, what: str, order_id: str) -> Iterator[Step]:
    done = _done(state, replica, order_id)
    queues = _put(state.queues, replica, order_id)
    yield Step(actor, f"{what}: 200 {order_id}, event queued", done._replace(queues=queues))
    yield Step(actor, f"{what}: 200 {order_id}, queue full", done)


def _done(state: State, replica: int, order_id: str) -> State:
    answered = state.answered if order_id in state.answered else state.answered + order_id
    return _try(state, replica, "answered")._replace(answered=answered)


def _repeat(state: State, replica: int) -> State:
    """After a failed request the client retries with the same key at replica 1, if necessary several times."""
    if replica == 0:
        return state._replace(tries=("unknown", "new"))
    return _try(state, replica, "new")


def fast_path(state: State, guards: Safeguards) -> Iterator[Step]:
    """The relay publishes an event from its queue."""
    for replica in REPLICAS:
        if state.queues[replica] and state.relays[replica].doing == "idle":
            taken = state._replace(queues=_put(state.queues, replica, ""))
            yield _produce(taken, guards, replica, Relay("produced", state.queues[replica]), "relay: produce")


def sweep(state: State, guards: Safeguards) -> Iterator[Step]:
    """The sweep finds due outbox entries and claims them, then publishes the claimed ones.

    Finding and claiming are one step here, because the claim checks again what was found.
    """
    for replica, relay in enumerate(state.relays):
        if relay.doing == "idle" and can_write(state):
            yield from _claim(state, guards, replica)
            yield from _exclude(state, guards, replica)
        elif relay.doing == "claiming" and state.all_committed:
            seen = state.view
            if seen is not None and seen.id == relay.id and seen.status == PLACED and seen.entry == str(replica):
                produced = Relay("produced", relay.id, swept=True)
                yield _produce(state, guards, replica, produced, "sweep: the claim holds, produce")
            else:
                yield Step(f"order-api {replica}", "sweep: the claim is lost", _relay(state, replica, Relay()))


def _claim(state: State, guards: Safeguards, replica: int) -> Iterator[Step]:
    found, order = read(state, majority=guards.majority_sweep), state.newest
    if found is None or order is None or order.id != found.id or not (_is_pending(found) and _is_pending(order)):
        return
    early = _in_flight(state, order.id)
    if early and not state.left.overtaken:
        return
    left = state.left._replace(overtaken=state.left.overtaken - 1) if early else state.left
    claimed = write(state._replace(left=left), order._replace(entry=str(replica)))
    if guards.majority_sweep:
        claiming = _relay(claimed, replica, Relay("claiming", order.id))
        text = f"sweep: {order.id} is due{' too early' if early else ''}, claimed"
        yield Step(f"order-api {replica}", text, claiming, is_fault=early)
    else:
        relay = Relay("produced", order.id, swept=True)
        yield _produce(claimed, guards, replica, relay, "sweep: claim with w:1, produce")._replace(is_fault=early)


def _exclude(state: State, guards: Safeguards, replica: int) -> Iterator[Step]:
    """The sweep excludes an order that it can neither claim nor fail."""
    found, order = read(state, majority=True), state.newest
    if found is not None and order is not None and order.id == found.id and _is_pending(found) and _is_pending(order):
        yield from exclude(state, guards, f"order-api {replica}")


def exclude(state: State, guards: Safeguards, actor: str) -> Iterator[Step]:
    """Exclude an order: MongoDB rejects every change to it, except to its outbox entry."""
    order = state.newest
    if state.left.exclusions and order is not None and order.status == PLACED:
        left = state.left._replace(exclusions=state.left.exclusions - 1)
        entry = EXCLUDED if guards.exclusion_keeps_entry else NO_ENTRY
        yield Step(
            actor,
            f"{order.id} is excluded",
            write(state._replace(left=left), order._replace(entry=entry)),
            is_fault=True,
        )


def include(state: State, guards: Safeguards) -> Iterator[Step]:
    """The operator includes an excluded order, whose document was repaired: its outbox entry is due again."""
    order = state.newest
    if order is not None and can_write(state) and order.status == PLACED and order.entry == EXCLUDED:
        entry = DUE if guards.include_restores_entry else NO_ENTRY
        yield Step("operator", f"retail orders include {order.id}", write(state, order._replace(entry=entry)))


def _is_pending(order: Order) -> bool:
    return order.status == PLACED and order.entry not in (NO_ENTRY, EXCLUDED)


def _in_flight(state: State, order_id: str) -> bool:
    """Return whether a replica still works on the order; then the sweep claims it only as the fault `overtaken`."""
    inserting = state.tries[IDS.index(order_id)] == "inserting"
    waits = order_id in state.queues or order_id in state.left_entries
    return inserting or waits or any(relay.id == order_id for relay in state.relays)


def deliver(state: State, _: Safeguards) -> Iterator[Step]:
    """Kafka appends an event, or its delivery fails; the delivery report may come at any time.

    If a sweep published the event, the report removes its outbox entry. If the fast path did, the entry is left to
    order-processor; `remove_left` removes it later if order-processor has not.
    """
    for replica, relay in enumerate(state.relays):
        if relay.doing == "produced":
            if len(state.log) < LONGEST_LOG:
                stored = _relay(state, replica, relay._replace(doing="stored"))
                yield Step(
                    "kafka",
                    f"the log appends {relay.id} at offset {len(state.log)}",
                    stored._replace(log=state.log + relay.id),
                )
            yield Step("kafka", f"delivery of {relay.id} fails", _relay(state, replica, Relay()))
        elif relay.doing == "stored" and not relay.swept:
            reported = _relay(state, replica, Relay())
            yield Step(
                f"order-api {replica}",
                f"relay: {relay.id} is delivered, its outbox entry is left to order-processor",
                reported._replace(left_entries=_put(state.left_entries, replica, relay.id)),
            )
        elif relay.doing == "stored" and can_write(state):
            reported = remove_entry(_relay(state, replica, Relay()), relay.id)
            yield Step(
                f"order-api {replica}",
                f"relay: {relay.id} is delivered, its outbox entry is removed",
                reported,
            )


def remove_left(state: State, _: Safeguards) -> Iterator[Step]:
    """`removal.EntryRemoval`: an entry that is still as the insert wrote it is removed before it falls due."""
    for replica, order_id in enumerate(state.left_entries):
        if order_id and can_write(state):
            order = state.newest
            after = state._replace(left_entries=_put(state.left_entries, replica, ""))
            if order is not None and order.id == order_id and (order.status, order.entry) == (PLACED, NEW):
                after = remove_entry(after, order_id)
            yield Step(f"order-api {replica}", f"removal: {order_id} is due soon", after)


def _produce(state: State, guards: Safeguards, replica: int, relay: Relay, text: str) -> Step:
    after = _relay(state, replica, relay)
    if not guards.entry_until_delivered:
        after = remove_entry(after, relay.id)
    return Step(f"order-api {replica}", f"{text} {relay.id}", after)


def remove_entry(state: State, order_id: str) -> State:
    """Remove the outbox entry of an order by its id, with w:1."""
    order = state.newest
    if order is None or order.id != order_id or order.entry == NO_ENTRY:
        return state
    return write(state, order._replace(entry=NO_ENTRY))


def crash_api(state: State, _: Safeguards) -> Iterator[Step]:
    """Kill a replica: everything in its memory is lost, and its client gets no response."""
    if not state.left.crashes:
        return
    for replica in REPLICAS:
        before = state._replace(left=state.left._replace(crashes=state.left.crashes - 1))
        if state.tries[replica] in ("new", "inserting"):
            before = _repeat(before, replica)
        queues, left_entries = _put(before.queues, replica, ""), _put(before.left_entries, replica, "")
        lost = _relay(before._replace(queues=queues, left_entries=left_entries), replica, Relay())
        if lost._replace(left=state.left) != state:
            yield Step(f"order-api {replica}", "kill -9", lost, is_fault=True)


def redrive(state: State, guards: Safeguards) -> Iterator[Step]:
    """The operator redrives a FAILED order: it becomes PLACED with a new outbox entry."""
    order = state.newest
    if order is None or not can_write(state):
        return
    if order.status == FAILED or (order.status == PROCESSED and not guards.redrive_only_failed):
        entry = DUE if guards.redrive_restores_entry else NO_ENTRY
        yield Step("operator", f"retail redrive {order.id}", write(state, order._replace(status=PLACED, entry=entry)))


def _try(state: State, replica: int, attempt: str) -> State:
    return state._replace(tries=(attempt, state.tries[1]) if replica == 0 else (state.tries[0], attempt))


def _put(queues: tuple[str, str], replica: int, order_id: str) -> tuple[str, str]:
    return (order_id, queues[1]) if replica == 0 else (queues[0], order_id)


def _relay(state: State, replica: int, relay: Relay) -> State:
    return state._replace(relays=(relay, state.relays[1]) if replica == 0 else (state.relays[0], relay))
