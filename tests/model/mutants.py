"""Safeguards of the real code, each with the change that switches it off.

A mutant is a few words of a function's source replaced by others. If those words are not there exactly once, the mutant
is out of date, and says so.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any
from unittest import mock

from order_api import schema, store
from order_api.delivery import Delivery
from order_api.markers import Markers
from order_api.placing import Placing
from order_api.store import OrderStore
from order_processor import handler
from order_processor.batch import Batch
from order_processor.consumer import Loop
from order_processor.dead_letters import DeadLetters
from order_processor.handler import Handler
from order_processor.reconcile import Reconciler
from order_processor.store import Orders

Patch = Callable[[], Any]


@dataclass(frozen=True)
class Mutant:
    """A safeguard that is off.

    `alone`: reconciliation, the second net, is off as well, as it would mend what this one breaks.
    """

    safeguard: str
    patch: Patch
    alone: bool = False


def change(function: Any, *replacements: tuple[str, str]) -> Patch:
    """Return what replaces words in the source of a function or property, until the patch ends."""

    @contextmanager
    def patch() -> Iterator[None]:
        target = _plain(function)
        source = textwrap.dedent(inspect.getsource(target))
        for old, new in replacements:
            if source.count(old) != 1:
                raise LookupError(f"{target.__qualname__} has {source.count(old)} times: {old}")
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


@contextmanager
def switched_off(mutant: Mutant) -> Iterator[None]:
    """Run the block with the safeguard off."""
    with ExitStack() as stack:
        stack.enter_context(mutant.patch())
        if mutant.alone:
            stack.enter_context(NO_RECONCILIATION())
        yield


def _plain(function: Any) -> FunctionType:
    function = function.fget if isinstance(function, property) else function
    if not isinstance(function, FunctionType):
        raise TypeError(function)
    return function


def _no_unique_index() -> Any:
    return mock.patch.object(schema, "INDEXES", [one for one in schema.INDEXES if not one.document.get("unique")])


W1 = ".with_options(write_concern=__import__('pymongo').WriteConcern(w=1))"
NO_RECONCILIATION = change(Reconciler.step, ("current = self._pass or self._begin()", "return Outcome.NOTHING"))

MUTANTS = [
    Mutant(
        "an insert waits for a majority",
        change(OrderStore.__init__, ("database[schema.COLLECTION]", f"database[schema.COLLECTION]{W1}")),
    ),
    Mutant("the unique index on user and key", _no_unique_index),
    Mutant(
        "a replay is read from a majority",
        change(OrderStore.find_earlier, ("self._majority.find_one", "self._local.find_one")),
    ),
    Mutant(
        "another body under the same key is refused",
        change(Placing._settle, ("raise KeyReused", "pass")),
    ),
    Mutant(
        "'nothing was done' is said only when it is sure",
        change(store._did_nothing, ("isinstance(error, ServerSelectionTimeoutError)", "True")),
    ),
    Mutant(
        "a second look before a 404",
        change(OrderStore.is_on_its_way, ("return found is not None", "return False")),
    ),
    Mutant(
        "no event before the insert",
        change(Placing.place, ("self.store.insert(record)", "self.offer(record); self.store.insert(record)")),
    ),
    Mutant(
        "no event after a failed insert",
        change(
            Placing.place,
            (
                "except DuplicateOrder:",
                "except OutcomeUnknown:\n        self.offer(record); raise\n    except DuplicateOrder:",
            ),
        ),
    ),
    Mutant(
        "the sweep claims and reads at majority",
        change(
            Markers.__init__,
            ("self._breaker = breaker", "self._breaker = breaker; self._orders = self._majority = self._fast"),
        ),
    ),
    Mutant(
        "the marker stays until delivery",
        change(Delivery.send, ('crash.point("after-produce")', "self._delivered.append(sent)")),
        alone=True,
    ),
    Mutant("a broken producer is replaced", change(Delivery._restart, ("self._give_up()", "return"))),
    Mutant(
        "offsets after the write",
        change(
            Loop._go_on,
            (
                'crash.point("before-update")',
                "self._commits.add(dict(batch._next)); self._commits.send_now(self._consumer)",
            ),
        ),
        alone=True,
    ),
    Mutant(
        "of partitions that go, only what is done is committed",
        change(Batch.done, ("offsets = dict(self._next)", "return dict(self._next)")),
        alone=True,
    ),
    Mutant(
        "a change of status is conditional",
        change(Orders._move, (', "status": transition.source}', "}")),
    ),
    Mutant(
        "a change of status has its majority before the commit",
        change(Orders.__init__, ('WriteConcern("majority", j=True)', "WriteConcern(w=1)")),
        alone=True,
    ),
    Mutant(
        "an outage is no order's fault",
        change(handler.is_outage, ("return not names_a_record(error)", "return False")),
    ),
    Mutant(
        "only the guilty order of a batch counts a try",
        change(Handler._together, ("if len(orders) == 1:", "if orders:")),
    ),
    Mutant(
        "a dead letter's report is awaited",
        change(
            DeadLetters._deliver,
            ("errors[place] = KafkaError(KafkaError._MSG_TIMED_OUT)", "pass"),
            ("producer.flush(DELIVERY_SECONDS + 1)", "producer.poll(0)"),
        ),
    ),
    Mutant("lost events are found by reconciliation", NO_RECONCILIATION),
    Mutant(
        "a pass begins anew when the ends went backwards",
        change(Reconciler.step, ("reading[p].end < end", "False")),
    ),
    Mutant(
        "a redrive puts the marker back",
        change(Orders.redrive, ("extra = _marker() |", "extra = {} and")),
        alone=True,
    ),
]
