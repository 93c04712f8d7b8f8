"""Row 28: safeguards are switched off one by one in real processes, and each time a promise breaks.

These are the safeguards that depend on a real server; tests/model does the same for all safeguards on stateful fakes.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faults.harness import logs, topic
from faults.harness.poison import Record, produce
from faults.harness.system import System
from load_generator import Options
from load_generator.client import Buyer, LoadClient
from load_generator.placer import generate_order
from shared.ordering.events import TOPIC
from support import wait

UNIQUE = "one_order_per_key"
WITHIN = 15.0
OUTAGE_LOGGED = '"event":"dependency_unavailable"'
DOWN_SECONDS = 15.0
AT_ONCE_MS = 1_000


@contextmanager
def off(system: System, service: str, safeguard: str, **more: Any) -> Iterator[list[str]]:
    """Switch off a safeguard in every replica of a service while the context lasts."""
    parts = system.parts(service)
    for part in parts:
        system.configure(part, mutant=safeguard, **more)
    system.await_ready()
    try:
        yield parts
    finally:
        for part in parts:
            system.configure(part)


def test_row_28_without_the_unique_index(small: System, figures: dict[str, Any]) -> None:
    """Without the unique index on user and key, one key makes several orders."""
    with off(small, "order-api", "the unique index on user and key"):
        small.orders.drop_index(UNIQUE)
        mine = {"userid": asyncio.run(_race(small, copies=60))}
        made = small.orders.count_documents(mine)
        small.orders.delete_many(mine)  # with duplicates, the index could not be created again

    figures["broken"] = f"one key made {made} orders"
    assert made > 1


def test_row_28_with_an_unconditional_status_change(small: System, figures: dict[str, Any]) -> None:
    """With an unconditional status change, a repeated event has a second effect."""
    with off(small, "order-processor", "a status change is conditional"):
        with small.load(60, rate=30) as run:
            pass
        users = run.account().users
        found = [m for m in topic.messages(small.stack, TOPIC) if any(u.encode() in (m.value() or b"") for u in users)]
        produce(small.stack, [Record(m.key(), m.value(), topic.headers(m)) for m in found])
        wait.until(
            lambda: small.verify(run, healed_at=time.time(), within=5).doubled,
            "an order to be processed twice",
            seconds=40,
        )
        verdict = small.verify(run, healed_at=time.time(), within=5)

    figures |= {"orders": verdict.orders, "broken": f"{len(verdict.doubled)} orders had more than one effect"}
    assert verdict.doubled


def test_row_28_with_offsets_before_the_write(small: System, figures: dict[str, Any]) -> None:
    """With offsets committed before the write, and no reconciliation, processors killed in an outage lose orders."""
    with off(small, "order-processor", "offsets are committed after the write") as processors:
        small.pause(*processors)
        with small.load(150, rate=40) as run:
            pass
        small.stack.stop("mongodb-0")
        small.resume(*processors)
        wait.until(lambda: any(OUTAGE_LOGGED in small.log(part) for part in processors), "events in flight", seconds=60)
        time.sleep(3)  # until the other processors have events in flight, and Kafka has acknowledged the commits
        small.kill(*processors)
        small.stack.start("mongodb-0")
        small.await_ready()
        verdict = small.verify(run, healed_at=time.time(), within=WITHIN + 15)

    figures |= {"orders": verdict.orders, "broken": f"{len(verdict.lost)} orders were never processed"}
    assert verdict.lost


def test_row_28_without_reconciliation(small: System, figures: dict[str, Any]) -> None:
    """Without reconciliation, events lost with their topic are never sent again."""
    with off(small, "order-processor", "lost events are found by reconciliation") as processors:
        with small.load(150, rate=40) as run:
            small.pause(*processors)
            time.sleep(3)
            topic.recreate(small.stack, TOPIC)
            small.resume(*processors)
        verdict = small.verify(run, healed_at=time.time(), within=WITHIN + 30)

    figures |= {"orders": verdict.orders, "broken": f"{len(verdict.lost)} orders were never processed"}
    assert verdict.lost


def test_row_28_with_an_insert_not_acknowledged_by_a_majority(cluster: System, figures: dict[str, Any]) -> None:
    """With w:1, a primary without a majority accepts orders, and a failover loses them."""
    with off(cluster, "order-api", "an insert waits for a majority"):
        with cluster.load(150, rate=30, settle_seconds=20) as run:
            primary = cluster.primary()
            others = [part for part in cluster.parts("mongodb") if part != primary]
            cluster.keep_down(*others)
            time.sleep(4)
            cluster.keep_down(primary)
            for other in others:
                cluster.stack.start(other)
            cluster.primary()
            cluster.stack.start(primary)
        verdict = cluster.verify(run, healed_at=time.time(), within=WITHIN)

    gone = [order for order, why in verdict.lost.items() if "not in the database" in why]
    figures |= {"orders": verdict.orders, "broken": f"{len(gone)} accepted orders are gone"}
    assert gone


def test_row_28_with_a_breaker_that_never_opens(small: System, figures: dict[str, Any]) -> None:
    """With a breaker that never opens, requests during a MongoDB outage wait instead of failing at once."""
    with off(small, "order-api", "a breaker opens"), small.load(100, rate=20) as run:
        small.stack.stop("mongodb-0")
        stopped_at = time.time()
        wait.until(lambda: time.time() - stopped_at > DOWN_SECONDS, "the outage", seconds=DOWN_SECONDS + 5, every=0.5)
        ended_at = time.time()
        small.stack.start("mongodb-0")

    answers = logs.requests(small.folder, "order-api", stopped_at + 5, ended_at)
    waits = sorted(x["duration_ms"] for x in answers if x["route"] == "/order" and x["status"] == 503)
    median = waits[len(waits) // 2]
    figures |= {"orders": len(run.account().entries)}
    figures["broken"] = f"{len(waits)} rejections took {median:.0f} ms each (median), where milliseconds are promised"
    assert median > AT_ONCE_MS


async def _race(system: System, *, copies: int) -> str:
    """Send one order many times at once with one key; return the user's name."""
    options = Options(
        base_url=system.stack.base_url, ca_file=Path(system.stack.ca), ledger=Path("none"), count=1, in_flight=copies
    )
    async with LoadClient(options) as client:
        buyer = Buyer(f"race-{time.time_ns()}", "a good long word")
        await client.register(buyer, "a good long word")
        headers = await buyer.authorization(client) | {"Idempotency-Key": "race"}
        body = {"userid": buyer.name} | generate_order(random.Random(system.seed), 2)
        await asyncio.gather(
            *(client.send("POST", "/order", headers=headers, document=body) for _ in range(copies)),
            return_exceptions=True,
        )
    return buyer.name
