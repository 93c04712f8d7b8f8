"""The model of two order-api replicas: request and replay, kill -9; and the operator's redrive and include."""

from collections.abc import Iterator

from model.mongodb import can_write, read, write
from model.state import (
    DUE,
    EXCLUDED,
    FAILED,
    IDS,
    NO_ENTRY,
    PLACED,
    PROCESSED,
    Order,
    Relay,
    Safeguards,
    State,
    Step,
    replaced,
)

REPLICAS = (0, 1)


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
        after = after._replace(queues=replaced(after.queues, replica, IDS[replica]))
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
    queues = replaced(state.queues, replica, order_id)
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


def fail(state: State, actor: str) -> Iterator[Step]:
    """Make an order FAILED, which removes its outbox entry."""
    order = state.newest
    if state.left.rejections and order is not None and order.status == PLACED:
        left = state.left._replace(rejections=state.left.rejections - 1)
        failed = write(state._replace(left=left), order._replace(status=FAILED, entry=NO_ENTRY))
        yield Step(actor, f"{order.id} becomes FAILED", failed, is_fault=True)


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


def crash_api(state: State, _: Safeguards) -> Iterator[Step]:
    """Kill a replica: everything in its memory is lost, and its client gets no response."""
    if not state.left.crashes:
        return
    for replica in REPLICAS:
        before = state._replace(left=state.left._replace(crashes=state.left.crashes - 1))
        if state.tries[replica] in ("new", "inserting"):
            before = _repeat(before, replica)
        queues, removals = replaced(before.queues, replica, ""), replaced(before.removals, replica, ())
        relays = replaced(before.relays, replica, Relay())
        lost = before._replace(queues=queues, removals=removals, relays=relays)
        if lost._replace(left=state.left) != state:
            yield Step(f"order-api {replica}", "kill -9", lost, is_fault=True)
        if state.relays[replica].doing == "produced":
            sent = lost._replace(late_event=state.relays[replica].id)
            yield Step(f"order-api {replica}", "kill -9, its event is on its way to Kafka", sent, is_fault=True)


def redrive(state: State, guards: Safeguards) -> Iterator[Step]:
    """The operator redrives a FAILED order: it becomes PLACED with a new outbox entry."""
    order = state.newest
    if order is None or not can_write(state):
        return
    if order.status == FAILED or (order.status == PROCESSED and not guards.redrive_only_failed):
        entry = DUE if guards.redrive_restores_entry else NO_ENTRY
        yield Step("operator", f"retail redrive {order.id}", write(state, order._replace(status=PLACED, entry=entry)))


def _try(state: State, replica: int, attempt: str) -> State:
    return state._replace(tries=replaced(state.tries, replica, attempt))
