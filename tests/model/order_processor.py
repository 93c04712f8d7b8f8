"""The order-processor: the handler that owns the partition, and two reconcilers (one in each of two processes)."""

from collections.abc import Iterator

from model.mongodb import can_write, read, write
from model.world import (
    DUE,
    FAILED,
    NEVER_COMMITTED,
    NO_MARKER,
    PLACED,
    PROCESSED,
    UNASSIGNED,
    Consumer,
    Order,
    Reconciler,
    Safeguards,
    Step,
    World,
)

HANDLER = "order-processor"


def handle(world: World, guards: Safeguards) -> Iterator[Step]:
    """`consumer.Loop` and `handler.Handler`: fetch, write, commit."""
    consumer = world.consumer
    if consumer.doing == "idle":
        yield from _fetch(world, guards)
    elif consumer.doing == "got" and can_write(world):
        yield from _update(world, guards)
        yield from _refuse(world, guards)
    elif consumer.doing == "written" or (consumer.doing == "writing" and world.all_committed):
        yield Step(HANDLER, f"consumer.Loop: commit offset {consumer.position + 1}", _commit(world, consumer))


def _fetch(world: World, guards: Safeguards) -> Iterator[Step]:
    position = world.consumer.position
    if position == UNASSIGNED:
        start = max(world.offset, 0)
        yield Step(
            HANDLER, f"the partition is assigned from offset {start}", world._replace(consumer=Consumer(position=start))
        )
    elif position > len(world.log):
        yield Step(HANDLER, "the position is out of range: earliest", world._replace(consumer=Consumer(position=0)))
    elif position < len(world.log):
        order_id = world.log[position]
        got = world._replace(consumer=Consumer("got", position, order_id))
        if not guards.commit_after_write:
            got = got._replace(offset=position + 1)
        yield Step(HANDLER, f"consumer.Loop: {order_id} from offset {position}", got)
        if world.left.poisons:
            left = world.left._replace(poisons=world.left.poisons - 1)
            skipped = world._replace(left=left, consumer=Consumer("written", position, order_id))
            yield Step(
                HANDLER, f"handler: {order_id} at offset {position} is broken: dead letter", skipped, is_fault=True
            )


def _update(world: World, guards: Safeguards) -> Iterator[Step]:
    """`store.process`: the conditional update, and the read that tells why it matched nothing."""
    consumer, order = world.consumer, world.newest
    mine = order is not None and order.id == consumer.id
    if order is not None and mine and (order.status == PLACED or not guards.conditional_update):
        yield Step(HANDLER, f"store.process {consumer.id}", _written(write(world, _processed(order)), guards))
        return
    seen = read(world, majority=guards.majority_update)
    known = seen is not None and seen.id == consumer.id
    if known and seen is not None and seen.status == PLACED:
        return  # changed meanwhile, or the view trails: that one again
    if not known and mine:
        return  # not certain yet: that one again
    why = "a duplicate" if known else "unknown: dead letter"
    yield Step(HANDLER, f"handler: {consumer.id} is {why}", world._replace(consumer=consumer._replace(doing="written")))


def _refuse(world: World, guards: Safeguards) -> Iterator[Step]:
    order = world.newest
    if world.left.refusals and order is not None and order.id == world.consumer.id and order.status == PLACED:
        left = world.left._replace(refusals=world.left.refusals - 1)
        failed = write(world._replace(left=left), order._replace(status=FAILED, marker=NO_MARKER))
        yield Step(HANDLER, f"store.fail {order.id}: refused", _written(failed, guards), is_fault=True)


def _processed(order: Order) -> Order:
    return order._replace(status=PROCESSED, marker=NO_MARKER, effects=order.effects + 1)


def _written(world: World, guards: Safeguards) -> World:
    return world._replace(consumer=world.consumer._replace(doing="writing" if guards.majority_update else "written"))


def _commit(world: World, consumer: Consumer) -> World:
    position = UNASSIGNED if consumer.stale else consumer.position + 1
    return world._replace(offset=consumer.position + 1, consumer=Consumer(position=position))


def crash_processor(world: World, guards: Safeguards) -> Iterator[Step]:
    """Kill -9 or a long pause of the process that owns the partition, which then goes to another.

    The new owner begins at the committed offset. A paused process finishes its batch later; only its commit is refused.
    """
    if world.zombie and can_write(world):
        order = world.newest
        awake = world._replace(zombie="")
        if order is not None and order.id == world.zombie and (order.status == PLACED or not guards.conditional_update):
            awake = write(awake, _processed(order))
        yield Step(HANDLER, f"the paused process goes on: store.process {world.zombie}", awake)
    if world.left.crashes:
        lost = world._replace(left=world.left._replace(crashes=world.left.crashes - 1), consumer=Consumer())
        yield Step(HANDLER, "kill -9", lost, is_fault=True)
        if world.consumer.doing == "got" and not world.zombie:
            paused = lost._replace(zombie=world.consumer.id)
            yield Step(HANDLER, "paused; the partition goes to another process", paused, is_fault=True)


def reconcile(world: World, guards: Safeguards) -> Iterator[Step]:
    """`reconcile.Reconciler`: orders without marker; the ends; wait until they are passed; the marker back."""
    if not guards.reconciliation:
        return
    for number, pass_ in enumerate(world.reconcilers):
        actor = "a reconciler"
        if pass_.doing == "idle":
            order = read(world, majority=guards.majority_pass)
            if order is not None and order.status == PLACED and order.marker == NO_MARKER:
                yield Step(
                    actor, f"reconcile: {order.id} has no marker", _pass(world, number, Reconciler("seen", order.id))
                )
        elif pass_.doing == "seen":
            end = len(world.log)
            yield Step(
                actor, f"reconcile: the log ends at {end}", _pass(world, number, Reconciler("waiting", pass_.id, end))
            )
        elif pass_.doing == "waiting":
            yield from _wait(world, guards, number, actor)
        elif can_write(world):
            yield from _rearm(world, number, actor)


def _wait(world: World, guards: Safeguards, number: int, actor: str) -> Iterator[Step]:
    pass_, end = world.reconcilers[number], len(world.log)
    committed = 0 if world.offset == NEVER_COMMITTED or world.offset > end else world.offset
    if guards.restart_on_shorter_log and end < pass_.end:
        yield Step(actor, "reconcile: the log is shorter than before: a new pass", _pass(world, number, Reconciler()))
    elif committed >= pass_.end:
        yield Step(
            actor,
            f"reconcile: offset {committed} has passed {pass_.end}",
            _pass(world, number, Reconciler("passed", pass_.id)),
        )


def _rearm(world: World, number: int, actor: str) -> Iterator[Step]:
    order, order_id = world.newest, world.reconcilers[number].id
    after = _pass(world, number, Reconciler())
    if order is not None and order.id == order_id and order.status == PLACED and order.marker == NO_MARKER:
        yield Step(actor, f"reconcile: {order_id} gets its marker back", write(after, order._replace(marker=DUE)))
    else:
        yield Step(actor, f"reconcile: {order_id} needs nothing", after)


def _pass(world: World, number: int, pass_: Reconciler) -> World:
    passes = list(world.reconcilers)
    passes[number] = pass_
    return world._replace(reconcilers=tuple(sorted(passes)))  # they are alike: sorting halves the states


def lose_log(world: World, guards: Safeguards) -> Iterator[Step]:
    """The topic is deleted and made anew, empty; the group's committed offset is kept or dropped."""
    if not world.left.losses:
        return
    consumer = world.consumer
    if guards.partition_revoked_with_topic:
        consumer = Consumer() if consumer.doing == "idle" else consumer._replace(stale=True)
    lost = world._replace(left=world.left._replace(losses=world.left.losses - 1), log="", consumer=consumer)
    yield Step("kafka", "the topic is made anew, the committed offset kept", lost, is_fault=True)
    if world.offset != NEVER_COMMITTED:
        yield Step(
            "kafka",
            "the topic is made anew, the committed offset dropped",
            lost._replace(offset=NEVER_COMMITTED),
            is_fault=True,
        )
