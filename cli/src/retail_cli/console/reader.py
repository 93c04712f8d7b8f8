"""The session that all threads of the console share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from flask import current_app

from retail_cli.session import Session
from retail_cli.topics import KafkaUnavailable

WAIT_SECONDS = 15.0


class Reader:
    """Shares a session between threads. All may use MongoDB at once; only one at a time may use Kafka's consumer."""

    def __init__(self, session: Session, replicas: Callable[[], Sequence[tuple[str, str]]]) -> None:
        self.session = session
        self.replicas = replicas
        self._topics = Lock()
        _ = session.orders, session.transitions, session.topics  # connect here, before there are several threads

    @contextmanager
    def with_topics(self) -> Iterator[Session]:
        """Wait until no other thread uses the Kafka consumer, and yield the session to this thread alone.

        Raise KafkaUnavailable after WAIT_SECONDS.
        """
        if not self._topics.acquire(timeout=WAIT_SECONDS):
            raise KafkaUnavailable(f"other requests have been reading the topics for {WAIT_SECONDS:g} s")
        try:
            yield self.session
        finally:
            self._topics.release()


def reader() -> Reader:
    """Return the reader of this application."""
    found: Reader = current_app.extensions["reader"]
    return found
