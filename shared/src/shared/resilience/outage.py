"""Which errors are about the systems around a record, and not about the record itself."""

from pymongo.errors import PyMongoError

from shared.kafka import KafkaException
from shared.mongo import is_document_error
from shared.resilience.breaker import CircuitOpen


def is_outage(error: Exception) -> bool:
    """Return whether an error is about MongoDB, Kafka or the machine: then the same record is retried after a pause."""
    if isinstance(error, PyMongoError):
        return not is_document_error(error)
    return isinstance(error, CircuitOpen | KafkaException | OSError | MemoryError)
