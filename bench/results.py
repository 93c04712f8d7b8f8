"""What a run has measured; stored as JSON."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.measure import Sample

ByNumber = dict[str, dict[int, list[Sample]]]  # one sample a round, by contender and connections or share of capacity
Samples = dict[str, list[Sample]]  # one sample a round, by what was measured


@dataclass
class Results:
    """The samples of all rounds; what was not measured is empty. Samples of the same round have the same index.

    `machine` is one line about the machine, `rate` the orders per second of which the open loop has shares. `delays_ms`
    has the 50th and the 99th percentile of the time from placed to processed, by share and round. `start_seconds` has
    the time of each start by service, and `memory_mib` the memory by service, by the number of orders in the database.
    `problems` are sentences about what could not be measured.
    """

    machine: str
    rounds: int
    seconds: int
    closed_loop: ByNumber = field(default_factory=dict)
    rate: float = 0.0
    open_loop: ByNumber = field(default_factory=dict)
    delays_ms: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    requests: Samples = field(default_factory=dict)
    limits: Samples = field(default_factory=dict)
    drains: Samples = field(default_factory=dict)
    start_seconds: dict[str, list[float]] = field(default_factory=dict)
    memory_mib: dict[int, dict[str, float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add_problem(self, sentence: str) -> None:
        """Print a sentence, and add its first line to `problems`: other lines may quote a log."""
        self.problems.append(sentence.partition("\n")[0])
        print(f"!!! {sentence}", file=sys.stderr, flush=True)


def write(results: Results, path: Path) -> None:
    """Write the results as JSON; a failed or unmeasured latency is null."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def read(path: Path) -> Results:
    """Return the results of a file that `write` has written."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
