"""The model of the relays of two order-api replicas: fast path, sweep, delivery reports, removal of outbox entries."""

from collections.abc import Iterator

from model.mongodb import can_write, read, write
from model.order_api import REPLICAS, exclude, fail
from model.state import (
    CLAIMS,
    EXCLUDED,
    IDS,
    NEW,
    NO_ENTRY,
    PLACED,
    Order,
    Relay,
    Removal,
    Safeguards,
    State,
    Step,
    replaced,
)

LONGEST_LOG = 7  # bounds the search for broken designs; tests check that the real design stays below it


def fast_path(state: State, guards: Safeguards) -> Iterator[Step]:
    """The relay publishes an event from its queue."""
    for replica in REPLICAS:
        if state.queues[replica] and state.relays[replica].doing == "idle":
            taken = state._replace(queues=replaced(state.queues, replica, ""))
            yield _produce(taken, guards, replica, Relay("produced", state.queues[replica], NEW), "relay: produce")


def sweep(state: State, guards: Safeguards) -> Iterator[Step]:
    """The sweep finds due outbox entries and claims them, then publishes the claimed ones.

    Finding and claiming are one step here, because the claim checks again what was found.
    """
    for replica, relay in enumerate(state.relays):
        if relay.doing == "idle" and can_write(state):
            yield from _claim(state, guards, replica)
            yield from _give_up(state, guards, replica)
        elif relay.doing == "claiming" and state.all_committed:
            seen = state.view
            if seen is not None and (seen.id, seen.status, seen.entry) == (relay.id, PLACED, relay.entry):
                produced = relay._replace(doing="produced")
                yield _produce(state, guards, replica, produced, "sweep: the claim holds, produce")
            else:
                yield Step(f"order-api {replica}", "sweep: the claim is lost", _relay(state, replica, Relay()))


def _claim(state: State, guards: Safeguards, replica: int) -> Iterator[Step]:
    found, order = read(state, majority=guards.majority_sweep), state.newest
    if found is None or order is None or order.id != found.id or not (_is_pending(found) and _is_pending(order)):
        return
    early = _in_flight(state, order)
    if early and not state.left.overtaken:
        return
    left = state.left._replace(overtaken=state.left.overtaken - 1) if early else state.left
    claim = _new_claim(state)
    claimed = write(state._replace(left=left), order._replace(entry=claim))
    if guards.majority_sweep:
        claiming = _relay(claimed, replica, Relay("claiming", order.id, claim))
        text = f"sweep: {order.id} is due{' too early' if early else ''}, claimed"
        yield Step(f"order-api {replica}", text, claiming, is_fault=early)
    else:
        relay = Relay("produced", order.id, claim)
        yield _produce(claimed, guards, replica, relay, "sweep: claim with w:1, produce")._replace(is_fault=early)


def _give_up(state: State, guards: Safeguards, replica: int) -> Iterator[Step]:
    """The sweep cannot claim an order or build its event: the order becomes FAILED or, if it cannot, excluded."""
    found, order = read(state, majority=True), state.newest
    if found is not None and order is not None and order.id == found.id and _is_pending(found) and _is_pending(order):
        yield from fail(state, f"order-api {replica}")
        yield from exclude(state, guards, f"order-api {replica}")


def _is_pending(order: Order) -> bool:
    return order.status == PLACED and order.entry not in (NO_ENTRY, EXCLUDED)


def _in_flight(state: State, order: Order) -> bool:
    """Return whether a replica still works on this entry; then the sweep claims it only as the fault `overtaken`.

    A restored entry is due at once, whatever a replica still does for the entry before it.
    """
    inserting = state.tries[IDS.index(order.id)] == "inserting"
    if order.entry == NEW and (inserting or order.id in state.queues):
        return True
    held = Removal(order.id, order.entry)
    return any((relay.id, relay.entry) == held for relay in state.relays) or any(
        held in some for some in state.removals
    )


def _new_claim(state: State) -> str:
    """Return a name that nothing in the state has."""
    orders = [order for order in (*state.orders, state.view, state.past) if order is not None]
    used = {each.entry for some in (orders, state.relays, *state.removals) for each in some}
    return next(name for name in CLAIMS if name not in used)


def deliver(state: State, _: Safeguards) -> Iterator[Step]:
    """Kafka appends an event, or its delivery fails; the delivery report may come at any time."""
    if state.late_event:
        yield from _append(state._replace(late_event=""), state.late_event)
    for replica, relay in enumerate(state.relays):
        if relay.doing == "produced":
            yield from _append(_relay(state, replica, relay._replace(doing="stored")), relay.id)
            yield Step("kafka", f"delivery of {relay.id} fails", _relay(state, replica, Relay()))
        elif relay.doing == "stored":
            reported = _relay(state, replica, Relay())
            removals = (*state.removals[replica], Removal(relay.id, relay.entry))
            yield Step(
                f"order-api {replica}",
                f"relay: {relay.id} is delivered, its outbox entry is to be removed",
                reported._replace(removals=replaced(state.removals, replica, removals)),
            )


def _append(state: State, order_id: str) -> Iterator[Step]:
    if len(state.log) < LONGEST_LOG:
        text = f"the log appends {order_id} at offset {len(state.log)}"
        yield Step("kafka", text, state._replace(log=state.log + order_id))


def remove_entries(state: State, guards: Safeguards) -> Iterator[Step]:
    """`removal.EntryRemoval`: at any later moment, an entry is removed if it is still the one that was seen.

    The status need not be compared: every change of it removes or restores the entry.
    """
    for replica, removals in enumerate(state.removals):
        for removal in removals if can_write(state) else ():
            order = state.newest
            rest = tuple(other for other in removals if other != removal)
            after = state._replace(removals=replaced(state.removals, replica, rest))
            is_compared = guards.removal_compares_due if removal.entry == NEW else guards.removal_compares_claim
            if order is not None and (order.entry == removal.entry or not is_compared):
                after = remove_entry(after, removal.id)
            what = "the insert's outbox entry" if removal.entry == NEW else "the outbox entry under the sweep's claim"
            yield Step(f"order-api {replica}", f"removal: {removal.id}, {what}", after)


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


def _relay(state: State, replica: int, relay: Relay) -> State:
    return state._replace(relays=replaced(state.relays, replica, relay))
