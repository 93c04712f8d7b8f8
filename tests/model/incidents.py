"""Named incidents that happen between or during the steps of a history."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from fakes.replica_set import Failure
from model import promises
from model.harness import HistoryHarness, Killed

MAX_INCIDENTS = 3
FAILURES = {failure.name.lower(): failure for failure in Failure}


def trigger(harness: HistoryHarness, name: str) -> Failure | None:
    """Run an incident; return how the interrupted operation fails, or None. The incident `killed` raises Killed."""
    if name == "killed":
        raise Killed
    if name in BACKGROUND:
        BACKGROUND[name](harness)
    return FAILURES.get(name)


def plan(harness: HistoryHarness, number: int) -> None:
    """Plan an incident for each of the next three calls of dependencies; `number` encodes their places in INCIDENTS."""
    for _ in range(MAX_INCIDENTS):
        number, digit = divmod(number, len(INCIDENTS))
        harness.plan.append(partial(trigger, harness, INCIDENTS[digit]))


def names(number: int) -> Sequence[str]:
    """Return the names of the incidents that `number` selects, in order."""
    return [INCIDENTS[number // len(INCIDENTS) ** place % len(INCIDENTS)] for place in range(MAX_INCIDENTS)]


def _deliver(harness: HistoryHarness) -> None:
    for api in harness.apis:
        for _ in range(3):
            api.producer.deliver()


def _fail_deliveries(harness: HistoryHarness, *, stored: bool, fatal: bool = False) -> None:
    for api in harness.apis:
        api.producer.fail(stored=stored, fatal=fatal)


def _wait(harness: HistoryHarness, seconds: float) -> None:
    harness.seconds += seconds


BACKGROUND: dict[str, Callable[[HistoryHarness], object]] = {
    "replicated": lambda harness: harness.servers.replicate(),
    "one write replicated": lambda harness: harness.servers.replicate(1),
    "failed over": lambda harness: harness.servers.fail_over(),
    "failed over, some kept": lambda harness: harness.servers.fail_over(kept=1),
    "failed over, all kept": lambda harness: harness.servers.fail_over(kept=9),
    "failed over, the view lags": lambda harness: harness.servers.fail_over(kept=9, trailing=2),
    "delivered": _deliver,
    "published by 0": lambda harness: harness.publish(0),
    "published by 1": lambda harness: harness.publish(1),
    "consumed by 0": lambda harness: harness.consume(0),
    "consumed by 1": lambda harness: harness.consume(1),
    "reconciled by 0": lambda harness: harness.reconcile(0),
    "reconciled by 1": lambda harness: harness.reconcile(1),
    "redriven": lambda harness: harness.redrive(),
    "included": lambda harness: harness.include(),
    "taken over": lambda harness: harness.topic.leave(harness.processors[0].client),
    "a late write applied": lambda harness: harness.servers.apply_late_operation(),
    "the topic recreated": lambda harness: harness.topic.recreate(keep_committed=False),
    "the topic recreated, offsets kept": lambda harness: harness.topic.recreate(keep_committed=True),
}
# These happen only between steps, because some of them replace a process, which may be the running one.
STANDALONE: dict[str, Callable[[HistoryHarness], object]] = {
    "1 second": lambda harness: _wait(harness, 1.0),
    "6 seconds": lambda harness: _wait(harness, 6.0),
    "31 seconds": lambda harness: _wait(harness, 31.0),
    "a delivery failed": lambda harness: _fail_deliveries(harness, stored=False),
    "a delivery reported as failed": lambda harness: _fail_deliveries(harness, stored=True),
    "a producer broken": lambda harness: _fail_deliveries(harness, stored=False, fatal=True),
    "an event corrupted": lambda harness: harness.corrupt_events(),
    "api 0 killed": lambda harness: harness.kill_api(0),
    "api 1 killed": lambda harness: harness.kill_api(1),
    "processor 0 killed": lambda harness: harness.kill_processor(0),
    "processor 1 killed": lambda harness: harness.kill_processor(1),
    "the newest order rejected": lambda harness: harness.toggle_rejection(0),
    "the second newest order rejected": lambda harness: harness.toggle_rejection(1),
    "the newest order rejected but for its exclusion": lambda harness: harness.toggle_rejection(0, is_excludable=True),
    "all read": lambda harness: promises.check_readable(harness, 0),
}
INCIDENTS = ["nothing", *FAILURES, "killed", *BACKGROUND]
OUTAGES: dict[str, Callable[[HistoryHarness], AbstractContextManager[None]]] = {
    "no outage": lambda _: nullcontext(),
    "an outage of MongoDB": lambda harness: harness.mongodb_down(),
    "an outage of Kafka": lambda harness: harness.brokers_down(),
}
