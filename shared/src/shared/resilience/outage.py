"""Which errors are about the systems around a record, and not about the record itself."""

from pymongo.errors import PyMongoError

from shared.kafka import KafkaException
from shared.mongo import names_a_record
from shared.resilience.breaker import CircuitOpen


def is_outage(error: Exception) -> bool:
    """Return whether an error is about MongoDB, Kafka or the machine: then the same record is retried after a pause."""
    if isinstance(error, PyMongoError):
        return not names_a_record(error)
    return isinstance(error, CircuitOpen | KafkaException | OSError | MemoryError)
