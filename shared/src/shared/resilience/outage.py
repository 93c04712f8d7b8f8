"""Separates errors of a dependency from errors of a single record, and finds the bad records of a batch."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from pymongo.errors import PyMongoError

from shared.kafka import KafkaException
from shared.mongo import is_document_error
from shared.resilience.breaker import CircuitOpen
from shared.store import StoreUnavailable

T = TypeVar("T")
Bisect = Callable[[Sequence[str], Callable[[Sequence[str]], object]], list[tuple[str, Exception]]]


def is_outage(error: Exception) -> bool:
    """Return whether an error comes from MongoDB, Kafka or the machine, not from the record: a retry may succeed."""
    if isinstance(error, PyMongoError):
        return not is_document_error(error)
    return isinstance(error, CircuitOpen | StoreUnavailable | KafkaException | OSError | MemoryError)


def bisect(batch: Sequence[T], apply: Callable[[Sequence[T]], object]) -> list[tuple[T, Exception]]:
    """Apply a change to a batch; if it fails, split the batch and retry, until the failing records are isolated.

    Return those records with their errors; the change is applied to all others. `apply` must be safe to repeat. An
    outage is not a record's fault: its error is raised at once.
    """
    try:
        apply(batch)
    except Exception as error:
        if is_outage(error):
            raise
        if len(batch) <= 1:
            return [(record, error) for record in batch]
        middle = len(batch) // 2
        return bisect(batch[:middle], apply) + bisect(batch[middle:], apply)
    return []
