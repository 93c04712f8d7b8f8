"""The sentence and the exit code for every expected failure of a command."""

from pymongo.errors import OperationFailure, PyMongoError

from retail_cli.session import ExitCode, Refused
from retail_cli.topics import KafkaUnavailable
from shared.config.settings import SettingsError
from shared.kafka import KafkaException
from shared.resilience.breaker import CircuitOpen
from shared.store import StoreUnavailable

EXPECTED = (
    Refused,
    SettingsError,
    StoreUnavailable,
    CircuitOpen,
    PyMongoError,
    KafkaUnavailable,
    KafkaException,
)


def describe(error: Exception) -> tuple[ExitCode, str]:
    """Return the exit code and the sentence for one of the EXPECTED errors."""
    if isinstance(error, Refused):
        return ExitCode.REFUSED, str(error)
    if isinstance(error, SettingsError):
        return ExitCode.USAGE, f"the settings cannot be used\n{error}"
    cause = error.__cause__ if isinstance(error, StoreUnavailable) else error
    if isinstance(cause, PyMongoError):
        return ExitCode.UNAVAILABLE, f"MongoDB {explain(cause)}"
    if isinstance(error, KafkaUnavailable | KafkaException):
        return ExitCode.UNAVAILABLE, f"Kafka is unavailable: {error}"
    return ExitCode.UNAVAILABLE, str(error)


def explain(error: PyMongoError) -> str:
    """Return what a MongoDB error means, as the rest of a sentence that begins with `MongoDB`."""
    text = str(error).split(", Timeout:")[0].split(", full error:")[0].split(" (configured timeouts")[0]
    return f"rejects the request: {text}" if isinstance(error, OperationFailure) else f"is unavailable: {text}"
