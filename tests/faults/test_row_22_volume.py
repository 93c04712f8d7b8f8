"""Rows 22 and 25: a full disk, and a backlog of many events."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import PyMongoError

from faults.harness.scale import pick
from faults.harness.system import System
from faults.harness.systems import Systems
from order_api import orders
from order_api.models import OrderItem
from shared.ordering.money import Amount
from support import wait

TMPFS_MIB = 700
PENDING = int(os.environ.get("PENDING", str(pick(100_000, 5_000))))


@pytest.fixture
def tight(systems: Systems) -> Iterator[System]:
    """A system whose MongoDB has a disk of 700 MiB. Without the right to mount one, the row is skipped."""
    disk = systems.folder / "tight" / "data" / "mongodb-0"
    disk.mkdir(parents=True, mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_MIB}m,mode=700", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield systems.get("tight")
    finally:
        systems.close()
        subprocess.run(["umount", str(disk)], check=True)


def test_row_22_disk_full(tight: System, figures: dict[str, Any]) -> None:
    """MongoDB's disk is full: no order is half written, answers are correct, and it recovers once there is space."""
    disk = tight.folder / "data" / "mongodb-0"
    full = pick(60, 12)
    with tight.load(pick(4_000, 500), rate=40, items=100) as run:
        _fill(disk / "filler")
        filled_at = time.time()

        def not_accepted() -> int:
            return sum(t.outcome != "ok" for t in run.account().tries(filled_at))

        def is_full() -> bool:
            _fill(disk / "filler")  # again, because a checkpoint deletes old journals and so frees disk space
            _checkpoint(tight)
            return not_accepted() > 0

        wait.until(is_full, "the disk to be full", seconds=150, every=1)
        full_at = time.time()
        wait.until(lambda: time.time() - full_at > full, "time with a full disk", seconds=full + 10, every=0.5)
        rejected = not_accepted()
        (disk / "filler").unlink()
        tight.stack.start("mongodb-0")
        healed_at = time.time()
        tight.probe()

    first = min(t.at for t in run.account().tries(healed_at) if t.outcome == "ok")
    figures |= {"full_seconds": full, "not_accepted": rejected, "recovery_seconds": round(first - healed_at, 1)}
    tight.prove(run, figures=figures, healed_at=healed_at, within=60)
    assert rejected > 0  # proves that the disk was full
    assert first - healed_at <= 15


def test_row_25_backlog(small: System, figures: dict[str, Any]) -> None:
    """Many events wait (PENDING, 100,000 by default): they drain while orders are placed, and no entry is left."""
    with small.load(pick(5_000, 600), rate=20, at_most=1800) as run:
        small.stack.stop("kafka-0")
        _pile_up(small, PENDING)
        small.stack.start("kafka-0")
        began = time.time()
        wait.until(lambda: _pending(small) < PENDING / 100, "the backlog to be processed", seconds=1500, every=0.5)
        seconds = time.time() - began

    mine = {"userid": "backlog"}
    wait.until(lambda: not small.orders.count_documents(mine | {"status": "PLACED"}), "all processed", seconds=600)
    figures |= {"pending": PENDING, "drained_per_second": round(PENDING / seconds), "seconds": round(seconds, 1)}
    small.prove(run, figures=figures, healed_at=time.time(), within=180)
    assert _pending(small) == 0
    once = {"status": "PROCESSED", "history": {"$size": 2}}
    assert small.orders.count_documents(mine | once) == PENDING


def _checkpoint(system: System) -> None:
    """Make MongoDB write a checkpoint to disk, which it otherwise does once a minute."""
    with suppress(PyMongoError), pymongo.timeout(1):
        system.orders.database.client.admin.command("fsync")


def _fill(filler: Path) -> None:
    """Append zeros to a file until the disk is full."""
    with filler.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**20))
        except OSError:
            return


def _pile_up(system: System, count: int) -> None:
    order = orders.Order("backlog", Amount(100), "USD", (OrderItem("apple"),))
    due = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=10)
    for start in range(0, count, 1000):
        batch = range(start, min(count, start + 1000))
        ids = (orders.new_id(due, os.urandom(orders.RANDOM_BYTES)) for _ in batch)
        system.orders.insert_many([orders.build_document(order, order_id=order_id, now=due) for order_id in ids])


def _pending(system: System) -> int:
    return system.orders.count_documents({"status": "PLACED", "outbox.due": {"$type": "date"}})
