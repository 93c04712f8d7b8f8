"""The model of order-processor: the consumer that owns the partition, with its handler, and the reconcilers."""

from collections.abc import Iterator

from model.mongodb import can_write, read, write
from model.order_api import exclude, fail
from model.state import (
    DUE,
    NEVER_COMMITTED,
    NO_ENTRY,
    PLACED,
    PROCESSED,
    UNASSIGNED,
    Consumer,
    Order,
    Reconciler,
    Safeguards,
    State,
    Step,
)

HANDLER = "order-processor"


def handle(state: State, guards: Safeguards) -> Iterator[Step]:
    """The consumer fetches an event, the handler updates the order, and the consumer commits the offset."""
    consumer = state.consumer
    if consumer.doing == "idle":
        yield from _fetch(state, guards)
    elif consumer.doing == "got" and can_write(state):
        yield from _update(state, guards)
        yield from _give_up(state, guards)
    elif consumer.doing == "written" or (consumer.doing == "writing" and state.all_committed):
        yield Step(HANDLER, f"consumer.Consumer: commit offset {consumer.position + 1}", _commit(state, consumer))


def _fetch(state: State, guards: Safeguards) -> Iterator[Step]:
    position = state.consumer.position
    if position == UNASSIGNED:
        start = max(state.offset, 0)
        yield Step(
            HANDLER, f"the partition is assigned from offset {start}", state._replace(consumer=Consumer(position=start))
        )
    elif position > len(state.log):
        yield Step(HANDLER, "the position is out of range: earliest", state._replace(consumer=Consumer(position=0)))
    elif position < len(state.log):
        order_id = state.log[position]
        got = state._replace(consumer=Consumer("got", position, order_id))
        if not guards.commit_after_write:
            got = got._replace(offset=position + 1)
        yield Step(HANDLER, f"consumer.Consumer: {order_id} from offset {position}", got)
        if state.left.poisons:
            left = state.left._replace(poisons=state.left.poisons - 1)
            skipped = state._replace(left=left, consumer=Consumer("written", position, order_id))
            yield Step(
                HANDLER, f"handler: {order_id} at offset {position} is broken: dead letter", skipped, is_fault=True
            )


def _update(state: State, guards: Safeguards) -> Iterator[Step]:
    """The conditional update; if it matches nothing, a read that explains why."""
    consumer, order = state.consumer, state.newest
    mine = order is not None and order.id == consumer.id
    if order is not None and mine and (order.status == PLACED or not guards.conditional_update):
        yield Step(HANDLER, f"store.process {consumer.id}", _written(write(state, _processed(order)), guards))
        return
    seen = read(state, majority=guards.majority_update)
    known = seen is not None and seen.id == consumer.id
    if known and seen is not None and seen.status == PLACED:
        return  # the order changed meanwhile, or the view lags: retry
    if not known and mine:
        return  # not on a majority yet: retry
    why = "a duplicate" if known else "unknown: dead letter"
    yield Step(HANDLER, f"handler: {consumer.id} is {why}", state._replace(consumer=consumer._replace(doing="written")))


def _give_up(state: State, guards: Safeguards) -> Iterator[Step]:
    """A rule or the validator rejects the order: it becomes FAILED or, if it cannot, excluded."""
    order = state.newest
    if order is not None and order.id == state.consumer.id:
        for step in (*fail(state, HANDLER), *exclude(state, guards, HANDLER)):
            yield step._replace(state=_written(step.state, guards))


def _processed(order: Order) -> Order:
    return order._replace(status=PROCESSED, entry=NO_ENTRY, effects=order.effects + 1)


def _written(state: State, guards: Safeguards) -> State:
    return state._replace(consumer=state.consumer._replace(doing="writing" if guards.majority_update else "written"))


def _commit(state: State, consumer: Consumer) -> State:
    position = UNASSIGNED if consumer.stale else consumer.position + 1
    return state._replace(offset=consumer.position + 1, consumer=Consumer(position=position))


def crash_processor(state: State, guards: Safeguards) -> Iterator[Step]:
    """Kill the owner of the partition, or pause it for so long that the group reassigns the partition.

    The new owner starts at the committed offset. A paused process finishes its batch later; only its commit fails.
    """
    if state.zombie and can_write(state):
        order = state.newest
        awake = state._replace(zombie="")
        if order is not None and order.id == state.zombie and (order.status == PLACED or not guards.conditional_update):
            awake = write(awake, _processed(order))
        yield Step(HANDLER, f"the paused process continues: store.process {state.zombie}", awake)
    if state.left.crashes:
        lost = state._replace(left=state.left._replace(crashes=state.left.crashes - 1), consumer=Consumer())
        yield Step(HANDLER, "kill -9", lost, is_fault=True)
        if state.consumer.doing == "got" and not state.zombie:
            paused = lost._replace(zombie=state.consumer.id)
            yield Step(HANDLER, "paused; the partition is reassigned", paused, is_fault=True)


def reconcile(state: State, guards: Safeguards) -> Iterator[Step]:
    """The reconciler: find orders without outbox entry, read end offsets, wait until the group passes them, requeue."""
    if not guards.reconciliation:
        return
    for number, pass_ in enumerate(state.reconcilers):
        actor = "a reconciler"
        if pass_.doing == "idle":
            order = read(state, majority=guards.majority_pass)
            if order is not None and order.status == PLACED and order.entry == NO_ENTRY:
                yield Step(
                    actor,
                    f"reconcile: {order.id} has no outbox entry",
                    _pass(state, number, Reconciler("seen", order.id)),
                )
        elif pass_.doing == "seen":
            end = len(state.log)
            yield Step(
                actor, f"reconcile: the log ends at {end}", _pass(state, number, Reconciler("waiting", pass_.id, end))
            )
        elif pass_.doing == "waiting":
            yield from _wait(state, guards, number, actor)
        elif can_write(state):
            yield from _requeue(state, number, actor)


def _wait(state: State, guards: Safeguards, number: int, actor: str) -> Iterator[Step]:
    pass_, end = state.reconcilers[number], len(state.log)
    committed = 0 if state.offset == NEVER_COMMITTED or state.offset > end else state.offset
    if guards.restart_on_shorter_log and end < pass_.end:
        yield Step(actor, "reconcile: the log is shorter than before: a new pass", _pass(state, number, Reconciler()))
    elif committed >= pass_.end:
        yield Step(
            actor,
            f"reconcile: offset {committed} has passed {pass_.end}",
            _pass(state, number, Reconciler("passed", pass_.id)),
        )


def _requeue(state: State, number: int, actor: str) -> Iterator[Step]:
    order, order_id = state.newest, state.reconcilers[number].id
    after = _pass(state, number, Reconciler())
    if order is not None and order.id == order_id and order.status == PLACED and order.entry == NO_ENTRY:
        yield Step(actor, f"reconcile: {order_id} is requeued", write(after, order._replace(entry=DUE)))
    else:
        yield Step(actor, f"reconcile: {order_id} needs nothing", after)


def _pass(state: State, number: int, pass_: Reconciler) -> State:
    passes = list(state.reconcilers)
    passes[number] = pass_
    # the reconcilers are interchangeable, so sorting them halves the number of states
    return state._replace(reconcilers=tuple(sorted(passes)))


def lose_log(state: State, guards: Safeguards) -> Iterator[Step]:
    """Delete the topic and create it again, empty; the group's committed offset is kept or dropped."""
    if not state.left.losses:
        return
    consumer = state.consumer
    if guards.partition_revoked_with_topic:
        consumer = Consumer() if consumer.doing == "idle" else consumer._replace(stale=True)
    lost = state._replace(left=state.left._replace(losses=state.left.losses - 1), log="", consumer=consumer)
    yield Step("kafka", "the topic is recreated, the committed offset kept", lost, is_fault=True)
    if state.offset != NEVER_COMMITTED:
        yield Step(
            "kafka",
            "the topic is recreated, the committed offset dropped",
            lost._replace(offset=NEVER_COMMITTED),
            is_fault=True,
        )
