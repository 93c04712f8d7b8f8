"""The interface of a recorder of spans: `otlp` exports them with OpenTelemetry's SDK, the tests' fake keeps them."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Literal, Protocol

Attributes = Mapping[str, str | int | bool]
Kind = Literal["server", "client", "producer", "consumer"]


class Span(Protocol):
    """One recorded operation. As a context manager it ends with the block, and records the type of an exception."""

    traceparent: str

    def end(self, attributes: Attributes | None = None, *, error: str | None = None, at: int | None = None) -> None:
        """End the operation, now or at a Unix time in nanoseconds. `error` is the type of an error, never its text.

        Call it once.
        """

    def __enter__(self) -> str:
        """Return the traceparent."""
        return self.traceparent

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self.end(error=kind.__name__ if kind else None)


class Recorder(Protocol):
    """Records spans and exports them in the background; the services use `otlp.OtlpRecorder`."""

    def start(
        self,
        name: str,
        kind: Kind,
        *,
        parent: str | None,
        attributes: Attributes | None,
        links: Sequence[str],
        at: int | None,
    ) -> Span:
        """Start a span, now or at a Unix time in nanoseconds; `parent` and `links` are sampled traceparents."""

    def close(self) -> None:
        """Export the remaining spans, for at most a second, if the collector responds."""
