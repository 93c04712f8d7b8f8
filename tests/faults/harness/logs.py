"""Reads the logs of the services."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Document = dict[str, Any]
SHOWN_LINES, SHOWN_LETTERS = 10, 300


def lines(root: Path, service: str) -> Iterator[Document]:
    """Yield every JSON log line of a service's replicas."""
    for file in sorted((root / "log").glob(f"{service}-*.log*")):
        with file.open(encoding="utf-8", errors="replace") as text:
            for line in text:
                with suppress(ValueError):
                    yield json.loads(line)


def requests(root: Path, service: str, begin: float = 0.0, end: float = 4e9) -> list[Document]:
    """Return the log lines of requests that ended between two Unix times."""
    low, high = (datetime.fromtimestamp(at, UTC).isoformat() for at in (begin, end))
    return [x for x in lines(root, service) if x.get("event") == "request" and low <= x["timestamp"] < high]


def history(root: Path, orders: Any, order: str, ledgers: Sequence[Path]) -> Iterator[str]:
    """Yield an order's document, and the first lines about it in each ledger and log. `order` is its id or key."""
    document = orders.find_one({"$or": [{"_id": order}, {"idempotency.key": order}]})
    yield f"document: {document}"
    needles = {order, (document or {}).get("idempotency", {}).get("key", order)}
    for file in [*ledgers, *sorted((root / "log").glob("*.log*"))]:
        with file.open(encoding="utf-8", errors="replace") as text:
            found = [line.strip() for line in text if any(f'"{needle}"' in line for needle in needles)]
        yield from (f"{file.name}: {line[:SHOWN_LETTERS]}" for line in found[:SHOWN_LINES])
