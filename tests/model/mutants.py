"""Safeguards of the real code, each with the change that switches it off.

Most mutants replace a few words in the source of a function. If the source does not contain them exactly once, the
mutant is outdated, and LookupError is raised.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any
from unittest import mock

from model import short_histories as short
from model.harness import HistoryHarness
from order_api.outbox import Outbox
from order_api.placement import OrderPlacement
from order_api.publisher import EventPublisher
from order_api.relay import OutboxRelay
from order_api.store import OrderStore
from order_processor.batch import Batch
from order_processor.consumer import Consumer
from order_processor.dead_letters import DeadLetters
from shared import store
from shared.ordering import outbox_entry, schema
from shared.ordering.reconcile import Reconciler
from shared.ordering.transitions import OrderTransitions
from shared.resilience import outage
from shared.resilience.breaker import Breaker

Patch = Callable[[], Any]


@dataclass(frozen=True)
class Mutant:
    """A safeguard, the change that switches it off, and a history that needs it.

    With `alone`, reconciliation is off in the run with the safeguard and in the run without it, because it would repair
    the damage.
    """

    safeguard: str
    patch: Patch
    history: Callable[[HistoryHarness], None]
    alone: bool = False


def change(function: Any, *replacements: tuple[str, str]) -> Patch:
    """Return a patch: within `with patch():`, `function` runs with each `old` text of its source replaced by `new`."""

    @contextmanager
    def patch() -> Iterator[None]:
        target = _plain(function)
        source = textwrap.dedent(inspect.getsource(target))
        for old, new in replacements:
            if source.count(old) != 1:
                raise LookupError(f"{target.__qualname__} must contain this once, not {source.count(old)} times: {old}")
            source = source.replace(old, new)
        source = source[source.index("def ") :]
        namespace: dict[str, Any] = {}
        exec(compile(source, inspect.getfile(target), "exec"), target.__globals__, namespace)  # noqa: S102
        original = target.__code__
        target.__code__ = namespace[target.__name__].__code__
        try:
            yield
        finally:
            target.__code__ = original

    return patch


def _plain(function: Any) -> FunctionType:
    function = function.fget if isinstance(function, property) else function
    if not isinstance(function, FunctionType):
        raise TypeError(function)
    return function


def _no_unique_index() -> Any:
    return mock.patch.object(schema, "INDEXES", [one for one in schema.INDEXES if not one.document.get("unique")])


W1 = ".with_options(write_concern=__import__('pymongo').WriteConcern(w=1))"
ENQUEUE_ANYWAY = "except OutcomeUnknown:\n            self.enqueue(record); raise\n        except DuplicateOrder:"
COMMIT_FIRST = "self._committer.add(dict(batch._next)); self._committer.commit_now(self._client)"
NO_RECONCILIATION = change(Reconciler.step, ("current = self._pass or self._begin()", "return Outcome.IDLE"))

MUTANTS = [
    Mutant(
        "an insert waits for a majority",
        change(OrderStore.__init__, ("database[schema.COLLECTION]", f"database[schema.COLLECTION]{W1}")),
        short.failover_after_the_answer,
    ),
    Mutant("the unique index on user and key", _no_unique_index, short.repeat_after_no_answer),
    Mutant(
        "a replay is read from a majority",
        change(OrderStore.find_existing, ("self._majority.find_one", "self._local.find_one")),
        short.repeat_of_an_unsafe_insert_then_failover,
    ),
    Mutant(
        "another body under the same key is rejected",
        change(OrderPlacement._resolve_duplicate, ("raise IdempotencyKeyReused", "pass")),
        short.another_body_under_the_same_key,
    ),
    Mutant(
        "an unknown outcome is never answered as unavailable",
        change(store._was_not_applied, ("isinstance(error, ServerSelectionTimeoutError)", "True")),
        short.no_answer_without_key,
    ),
    Mutant(
        "a linearizable read precedes a 404",
        change(OrderStore.is_pending, ("return found is not None", "return False")),
        short.new_primary_that_trails,
    ),
    Mutant(
        "no event before the insert",
        change(OrderPlacement.place, ("self.store.insert(record)", "self.enqueue(record); self.store.insert(record)")),
        short.insert_that_is_lost,
    ),
    Mutant(
        "no event after a failed insert",
        change(OrderPlacement.place, ("except DuplicateOrder:", ENQUEUE_ANYWAY)),
        short.insert_that_is_lost,
    ),
    Mutant(
        "the sweep claims and reads at majority",
        change(
            Outbox.__init__,
            ("self._breaker = breaker", "self._breaker = breaker; self._orders = self._majority = self._fast"),
        ),
        short.sweep_of_an_unsafe_insert_then_failover,
    ),
    Mutant(
        "the outbox entry stays until delivery",
        change(EventPublisher.publish, ('crash.point("after-produce")', "self._delivered.append(sent)")),
        short.delivery_that_fails,
        alone=True,
    ),
    Mutant(
        "a removal leaves an entry that was restored since",
        change(Outbox.remove_unclaimed, (', "outbox.due": dues[order_id]}', "}")),
        short.redriven_before_the_removal,
        alone=True,
    ),
    Mutant(
        "a removal after a sweep compares the claim",
        change(Outbox.remove_claimed, ('{"outbox.claim": claim}', "{}")),
        short.redriven_before_the_removal_after_a_sweep,
        alone=True,
    ),
    Mutant(
        "a broken producer is replaced",
        change(EventPublisher._recreate_producer, ("self._purge()", "return")),
        short.producers_that_break,
    ),
    Mutant(
        "a relay works only in the process that created it",
        change(OutboxRelay.run_once, ("os.getpid() != self._pid", "False")),
        short.forked_after_the_start,
    ),
    Mutant(
        "offsets are committed after the write",
        change(Consumer._process, ('crash.point("before-update")', COMMIT_FIRST)),
        short.outage_then_all_killed,
        alone=True,
    ),
    Mutant(
        "only finished work of a revoked partition is committed",
        change(Batch.done, ("offsets = dict(self._next)", "return dict(self._next)")),
        short.partition_revoked_during_an_outage,
        alone=True,
    ),
    Mutant(
        "a status change is conditional",
        change(OrderTransitions._move, (', "status": transition.source}', "}")),
        short.killed_between_write_and_commit,
    ),
    Mutant(
        "a status change reaches a majority before the offset commit",
        change(OrderTransitions.__init__, ('WriteConcern("majority", j=True)', "WriteConcern(w=1)")),
        short.failover_after_the_processing,
        alone=True,
    ),
    Mutant(
        "an outage never counts as an order's failure",
        change(outage.is_outage, ("return not is_document_error(error)", "return False")),
        short.long_outage,
    ),
    Mutant(
        "a dead letter's delivery report is awaited",
        change(
            DeadLetters._deliver,
            ("errors[index] = KafkaError(KafkaError._MSG_TIMED_OUT)", "pass"),
            ("producer.flush(DELIVERY_SECONDS + 1)", "producer.poll(0)"),
        ),
        short.broken_event_then_all_killed,
    ),
    Mutant("lost events are found by reconciliation", NO_RECONCILIATION, short.topic_recreated),
    Mutant(
        "a reconciliation pass restarts when end offsets go backwards",
        change(Reconciler.step, ("reading[p].end < end", "False")),
        short.topic_recreated_during_a_pass,
    ),
    Mutant(
        "a redrive restores the outbox entry",
        change(OrderTransitions.redrive, ("extra = outbox_entry.restore()", "extra = {'$set': {}}")),
        short.failed_and_redriven,
        alone=True,
    ),
    Mutant(
        "an excluded order keeps an outbox entry",
        change(outbox_entry.exclude, ('{"$set": {"outbox": {"due": "excluded", "attempts": 0}}}', "remove()")),
        short.rejected_and_excluded,
    ),
]

# With this mutant, every history still keeps the promises of tests/model: requests only wait longer while MongoDB is
# down (tests/faults, row 28).
NEVER_OPEN = change(Breaker._record, ("permit.epoch != self._epoch", "True"))
ON_SERVERS = {mutant.safeguard: mutant for mutant in MUTANTS} | {
    "a breaker opens": Mutant("a breaker opens", NEVER_OPEN, lambda _: None)
}
