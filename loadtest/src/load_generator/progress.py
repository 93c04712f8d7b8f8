"""The figures of a load while it runs, and how the terminal shows them."""

import math
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from load_generator.responses import Answer

RECENT_SECONDS = 5.0


def percentile(sorted_ms: "array[float] | list[float]", share: float) -> float:
    """Return the percentile for `share`, which is from 0 to 1, by the nearest rank; 0 if there are no values."""
    return sorted_ms[max(0, math.ceil(share * len(sorted_ms)) - 1)] if sorted_ms else 0.0


class LoadProgress:
    """Counts responses. `ms` holds the response times of the orders that were accepted at the first attempt."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.sent = 0
        self.settled: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.contract_violations: Counter[str] = Counter()
        self.ms: array[float] = array("d")
        self.phase = "registering users"
        self.verified = 0
        self._recent: deque[tuple[float, float]] = deque()

    def record(self, answer: Answer, ms: float, first: bool) -> None:
        """Count one response."""
        self.statuses[str(answer.status or "none")] += 1
        if answer.contract_violation:
            self.contract_violations[answer.contract_violation] += 1
        if answer.outcome == "ok" and first:
            self.ms.append(ms)
            self._recent.append((time.monotonic(), ms))

    def recent(self) -> tuple[float, list[float]]:
        """Return the rate of the orders accepted at the first attempt in the last 5 s, and their sorted times in ms."""
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - RECENT_SECONDS:
            self._recent.popleft()
        seconds = max(0.1, min(RECENT_SECONDS, now - self.started))
        return len(self._recent) / seconds, sorted(ms for _, ms in self._recent)

    def __rich__(self) -> Group:
        rate, times = self.recent()
        table = Table(box=None, show_header=False, padding=(0, 2))
        table.add_row("time", f"{time.monotonic() - self.started:.0f} s", self.phase)
        table.add_row("orders", f"{self.sent} sent", counted(self.settled))
        table.add_row("accepted", f"{rate:.0f} per second", "  ".join(_times(times)) + "  (last 5 s)")
        table.add_row("answers", "", counted(self.statuses))
        if self.verified:
            table.add_row("verified", str(self.verified), "")
        if self.contract_violations:
            table.add_row(Text("contract violations", style="bold red"), "", counted(self.contract_violations))
        return Group(table)


def counted(counter: Counter[str]) -> str:
    """Format a counter on one line, the most frequent name first."""
    return "  ".join(f"{name} {count}" for name, count in counter.most_common())


def _times(sorted_ms: list[float]) -> list[str]:
    return [f"p{share:g} {percentile(sorted_ms, share / 100):.0f} ms" for share in (50, 90, 99)]


@contextmanager
def live(progress: LoadProgress, console: Console) -> Iterator[None]:
    """Show `progress` during the context. Without a terminal only its last state is written, as whole lines."""
    try:
        with Live(progress, console=console, refresh_per_second=4, transient=False):
            yield
    finally:
        if not console.is_terminal:
            console.line()
