"""Records spans in memory instead of through OpenTelemetry's SDK."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from shared.telemetry.spans import Attributes, Kind, Span

_numbers = count(1)


@dataclass
class FakeSpan(Span):
    """A recorded span, with the arguments of its start and its end."""

    name: str
    kind: Kind
    traceparent: str
    parent: str | None
    links: list[str]
    attributes: dict[str, str | int | bool]
    started: int | None
    is_ended: bool = False
    error: str | None = None
    ended: int | None = None

    @property
    def trace_id(self) -> str:
        return self.traceparent.split("-")[1]

    def end(self, attributes: Attributes | None = None, *, error: str | None = None, at: int | None = None) -> None:
        assert not self.is_ended, f"{self.name} ended twice"
        self.attributes |= attributes or {}
        self.is_ended, self.error, self.ended = True, error, at


@dataclass
class FakeRecorder:
    """Records spans in the order in which they start."""

    spans: list[FakeSpan] = field(default_factory=list)

    def start(
        self,
        name: str,
        kind: Kind,
        *,
        parent: str | None,
        attributes: Attributes | None,
        links: Sequence[str],
        at: int | None,
    ) -> FakeSpan:
        trace_id = parent.split("-")[1] if parent else f"{next(_numbers):032x}"
        traceparent = f"00-{trace_id}-{next(_numbers):016x}-01"
        self.spans.append(FakeSpan(name, kind, traceparent, parent, [*links], dict(attributes or {}), at))
        return self.spans[-1]

    def named(self, name: str) -> list[FakeSpan]:
        """Return the spans with this name; all must have ended."""
        found = [span for span in self.spans if span.name == name]
        assert all(span.is_ended for span in found), f"{name} has not ended"
        return found

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
