"""One short history for each safeguard: with the safeguard all promises hold, without it one breaks."""

from functools import partial

from model import promises
from model.harness import HistoryHarness, Request, make_order
from model.incidents import trigger
from model.processes import REFUSED_ITEM


def failover_after_the_answer(harness: HistoryHarness) -> None:
    _place(harness)
    harness.servers.fail_over()


def repeat_after_no_answer(harness: HistoryHarness) -> None:
    request = _place(harness, "unanswered", key="k")
    harness.servers.replicate()
    harness.place(1, request)


def repeat_of_an_unsafe_insert_then_failover(harness: HistoryHarness) -> None:
    request = _place(harness, "unanswered", key="k")
    harness.place(1, request)
    harness.servers.fail_over()


def another_body_under_the_same_key(harness: HistoryHarness) -> None:
    _place(harness, key="k")
    _place(harness, key="k")


def no_answer_without_key(harness: HistoryHarness) -> None:
    _place(harness, "unanswered")


def new_primary_that_trails(harness: HistoryHarness) -> None:
    _place(harness)
    harness.servers.fail_over(kept=9, trailing=9)
    promises.check_readable(harness, 0)


def insert_that_is_lost(harness: HistoryHarness) -> None:
    _place(harness, "lost")
    _publish(harness)


def sweep_of_an_unsafe_insert_then_failover(harness: HistoryHarness) -> None:
    _place(harness, "unanswered")
    harness.seconds += 6
    harness.publish(1)
    trigger(harness, "delivered")
    harness.servers.fail_over()


def delivery_that_fails(harness: HistoryHarness) -> None:
    _place(harness)
    harness.publish(0)
    harness.apis[0].producer.fail(stored=False)


def producers_that_break(harness: HistoryHarness) -> None:
    for number, api in enumerate(harness.apis):
        api.producer.fail(stored=False, fatal=True)
        harness.publish(number)
    _place(harness)


def forked_after_the_start(harness: HistoryHarness) -> None:
    harness.apis[0].fork()
    _place(harness)


def outage_then_all_killed(harness: HistoryHarness) -> None:
    _place(harness)
    _publish(harness)
    with harness.mongodb_down():
        _consume(harness)
    _kill_processors(harness)


def partition_revoked_during_an_outage(harness: HistoryHarness) -> None:
    for _ in range(6):  # enough for both partitions to get an event
        _place(harness)
    _publish(harness)
    harness.topic.leave(harness.processors[1].client)
    with harness.mongodb_down():
        harness.consume(0)
        harness.consume(1)  # processor 1 joins again and is assigned a partition
        harness.consume(0)


def killed_between_write_and_commit(harness: HistoryHarness) -> None:
    _place(harness)
    _publish(harness)
    _consume(harness, "nothing", "nothing", "killed")


def failover_after_the_processing(harness: HistoryHarness) -> None:
    _place(harness)
    _publish(harness)
    harness.servers.replicate()
    _consume(harness)
    harness.servers.fail_over()


def long_outage(harness: HistoryHarness) -> None:
    _place(harness)
    _publish(harness)
    with harness.mongodb_down():
        for _ in range(10):
            _consume(harness)


def broken_event_then_all_killed(harness: HistoryHarness) -> None:
    _place(harness)
    harness.publish(0)
    harness.apis[0].producer.corrupt()
    _publish(harness)
    _consume(harness)
    _kill_processors(harness)


def topic_recreated(harness: HistoryHarness) -> None:
    _place(harness)
    _publish(harness)
    harness.topic.recreate(keep_committed=False)


def topic_recreated_during_a_pass(harness: HistoryHarness) -> None:
    _place(harness)
    _publish(harness)
    harness.servers.replicate()
    for number in (0, 1):
        harness.reconcile(number)
    harness.topic.recreate(keep_committed=False)


def failed_and_redriven(harness: HistoryHarness) -> None:
    _place(harness, item=REFUSED_ITEM)
    _publish(harness)
    _consume(harness)
    harness.redrive()


def redriven_before_the_removal(harness: HistoryHarness) -> None:
    _place(harness, item=REFUSED_ITEM)
    _deliver(harness)
    _consume(harness)
    harness.redrive()
    harness.seconds += 2  # the entry of the insert would fall due soon
    harness.publish(0)


def redriven_before_the_removal_after_a_sweep(harness: HistoryHarness) -> None:
    _place(harness, item=REFUSED_ITEM)
    harness.kill_api(0)  # the event is not yet published
    harness.servers.replicate()
    harness.seconds += 6
    harness.publish(0)
    trigger(harness, "delivered")
    with harness.mongodb_down():
        harness.publish(0)  # the delivery is reported, but the removal fails
    _consume(harness)
    harness.redrive()
    harness.seconds += 2
    harness.publish(0)


def rejected_and_excluded(harness: HistoryHarness) -> None:
    _place(harness)
    harness.kill_api(0)  # the event is not yet published
    harness.servers.replicate()
    harness.toggle_rejection(0, is_excludable=True)
    for _ in range(5):
        harness.seconds += 31
        harness.publish(1)
    promises.check(harness)


def _place(harness: HistoryHarness, *incidents: str, key: str | None = None, item: str = "apple") -> Request:
    request = Request(make_order(item, len(harness.requests) + 1), key)
    harness.requests.append(request)
    _plan(harness, incidents)
    harness.place(0, request)
    return request


def _publish(harness: HistoryHarness) -> None:
    """Replica 0 publishes its events, and removes their outbox entries before the entries fall due."""
    _deliver(harness)
    harness.seconds += 2
    harness.publish(0)


def _deliver(harness: HistoryHarness) -> None:
    """Replica 0 publishes its events; their outbox entries stay."""
    for _ in range(2):
        harness.publish(0)
        while harness.apis[0].producer.pending:
            harness.apis[0].producer.deliver()
        harness.seconds += 0.1


def _consume(harness: HistoryHarness, *incidents: str) -> None:
    for number in (0, 1):
        _plan(harness, incidents)
        harness.consume(number)
        harness.plan.clear()
    harness.seconds += 0.5


def _kill_processors(harness: HistoryHarness) -> None:
    for number in (0, 1):
        harness.kill_processor(number)


def _plan(harness: HistoryHarness, incidents: tuple[str, ...]) -> None:
    harness.plan.extend(partial(trigger, harness, incident) for incident in incidents)
