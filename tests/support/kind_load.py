"""Places orders on the kind cluster while a test changes it, and verifies them afterwards."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from load_generator.options import Options
from load_generator.run import Summary, run
from support import kind, wait
from support.kind_evidence import Evidence, collected

RATE = float(os.environ.get("KIND_LOAD_RATE", "50"))  # orders per second; lower it on a busy machine
USERS = 8  # several, because a proxy limits the requests in progress of each user


@dataclass
class Load:
    """A load generator in a thread, started by `running`; `summary` is set when the context of `running` has ended."""

    summary: Summary | None = None
    error: BaseException | None = None
    sent: int = 0
    stop: bool = False
    ledger: Path = Path()
    evidence: Evidence | None = None

    @property
    def result(self) -> Summary:
        """Return the load's summary; fail the test if the load generator itself failed."""
        assert self.summary is not None, self.error
        return self.summary

    def assert_nothing_failed(self) -> None:
        """Assert that every request got 200 and every order was processed once."""
        assert self.result.statuses == {"200": self.result.sent}, self.explain()
        self.assert_nothing_lost()

    def assert_nothing_lost(self) -> None:
        """Assert that every order was settled and processed once, and every response kept the contract."""
        assert self.result.sent > 0
        assert self.result.ok, self.explain()

    def explain(self) -> str:
        """Return the summary, the failed responses and their causes."""
        assert self.evidence is not None
        return f"{self.result}{self.evidence.explain(self.ledger)}"


@contextmanager
def running(rate: float = RATE, *, seconds: float = 600, verify_seconds: float = 60) -> Iterator[Load]:
    """Place orders from outside while the context lasts, at most for `seconds`; then verify each one."""
    state = Load(ledger=Path(tempfile.mkdtemp(prefix="retail-ledger-")) / "ledger.jsonl")

    def enough(sent: int) -> bool:
        state.sent = sent
        return state.stop

    def work() -> None:
        try:
            options = Options(
                base_url=kind.BASE_URL, ca_file=kind.CA_FILE, ledger=state.ledger, rate=rate, duration=seconds,
                users=USERS, verify_seconds=verify_seconds,
            )  # fmt: skip
            state.summary = run(options, console=Console(quiet=True), enough=enough)
        except BaseException as error:  # noqa: BLE001 - shown by `result`
            state.error = error

    thread = threading.Thread(target=work, name="load")
    with collected() as state.evidence:
        thread.start()
        yield from _watched(state, thread, rate, seconds)


def _watched(state: Load, thread: threading.Thread, rate: float, seconds: float) -> Iterator[Load]:
    try:
        wait.until(lambda: state.sent >= rate or state.error, "the load to begin", seconds=60)
        yield state
    finally:
        state.stop = True
        thread.join(timeout=seconds + 300)
