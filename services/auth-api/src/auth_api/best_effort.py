"""Side tasks of a request: their failure must not fail the request."""

from collections.abc import Callable

from shared.telemetry import log

logger = log.get(__name__)


def best_effort(event: str, action: Callable[[], None]) -> None:
    """Run `action`; if it raises an exception, log it under the event name `event` and return."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever the store raises
        logger.warning(event, error=type(error).__name__)
