"""Stores the result of each part of a row in a JSON file, for the report and to continue an interrupted run."""

import json
import re
import subprocess
import time
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
FOLDER = REPOSITORY / ".results" / "faults"
MUTANTS = 28  # the row of mutants, in which every part expects a broken promise
HISTORY = "history"  # the prefix of the parts of row 28 that tests/model runs


@dataclass
class Result:
    """The result of one part of a row. `outcome` is passed, failed or not run; `figures` are the measurements."""

    row: int
    part: str
    scale: str
    title: str
    test: str
    outcome: str = "failed"
    reason: str = ""
    seconds: float = 0.0
    commit: str = ""
    at: str = ""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The path of the result file."""
        return FOLDER / self.scale / f"row-{self.row:02d}-{self.part or 'all'}.json"

    def save(self) -> None:
        """Write the result file, replacing an earlier result."""
        self.commit = commit()
        self.at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def passed_before(self) -> bool:
        """Return whether the part has passed on this commit at this scale."""
        return any(r.outcome == "passed" and r.commit == commit() for r in [load(self.file)] if r)


def part(*words: str) -> str:
    """Join words to the name of a part; characters other than a-z, 0-9, `_`, `.` and `-` become `-`."""
    return re.sub(r"[^a-z0-9_.-]+", "-", "-".join(words))


def load(file: Path) -> Result | None:
    """Return the result in `file`, or None if there is no file."""
    return Result(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def load_all(scale: str) -> list[Result]:
    """Return all results of a scale (short or full), ordered by row."""
    return [result for file in sorted((FOLDER / scale).glob("row-*.json")) if (result := load(file))]


@cache
def commit() -> str:
    """Return the commit of the checkout, with `-dirty` if files are changed."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
