"""The log of security events: who tried what, with which outcome, from which address."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.telemetry import log

MAX_NAME = 64  # characters of the name that are logged: a client may send anything as name, even a password
logger = log.get(__name__)


@contextmanager
def security_event(action: str, name: str, address: str | None) -> Iterator[None]:
    """Log the outcome of the block: `ok`, or the type of the exception that it raises.

    The first 64 characters of the name are logged, in ASCII with escapes, so that a name cannot break or imitate a log
    line.
    """
    outcome = "ok"
    try:
        yield
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        user = name[:MAX_NAME].encode("ascii", "backslashreplace").decode("ascii")
        write = logger.info if outcome == "ok" else logger.warning
        write("security_event", action=action, user=user, outcome=outcome, address=address)
