"""Rows 12 to 14: repeated events, unreadable events, and redriven orders."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from faults.harness import topic
from faults.harness.poison import MARK, Record, poison, produce
from faults.harness.scale import pick
from faults.harness.system import System
from load_generator.placer import GOODS
from shared.ordering.dead_letter import details
from shared.ordering.events import DEAD_LETTER_TOPIC, TOPIC
from support import wait

COPIES = 4
DETAILS = {"topic", "partition", "offset", "error_class", "error_message", "attempts", "group", "first_failure"}


def test_row_12_every_event_delivered_five_times(small: System, figures: dict[str, Any]) -> None:
    """Every event is delivered five times, shuffled, to three processors."""
    random_ = random.Random(small.seed)
    for part in small.parts("order-processor"):
        small.stack.stop(part)
    with small.load(pick(10_000, 600), rate=100) as run:
        pass
    users = run.account().users
    wait.until(
        lambda: len(_events_of(small, users)) >= len(run.account().accepted), "every event published", seconds=60
    )
    copies = [r for r in _events_of(small, users) for _ in range(COPIES)]
    random_.shuffle(copies)
    produce(small.stack, copies)
    for part in small.parts("order-processor"):
        small.stack.start(part)
    started_at = time.time()

    verdict = small.prove(run, figures=figures, healed_at=started_at, within=60)
    assert verdict.events >= 5 * verdict.accepted
    wait.until(
        lambda: _duplicates(small) >= COPIES * verdict.accepted, "every repeated event to be counted", seconds=60
    )
    figures["duplicates_seen"] = _duplicates(small)


def test_row_13_poison(small: System, figures: dict[str, Any]) -> None:
    """One message in a hundred cannot be processed: it goes to the dead-letter topic, and the rest continues."""
    random_ = random.Random(small.seed)
    count = pick(105, 21)
    pids = {part: small.stack.pids[part] for part in small.parts("order-processor")}
    with small.load(pick(10_000, 1_000), rate=100) as run:
        for number in range(count):
            produce(small.stack, [poison(number, random_)])
    ended_at = time.time()

    small.prove(run, figures=figures, healed_at=ended_at, within=30)
    wait.until(lambda: len(_dead_lettered(small)) >= count, "every poison in the dead-letter topic", seconds=30)
    figures |= {"poison": count, "dead_letters": len(_dead_lettered(small))}
    assert sorted(_dead_lettered(small)) == list(range(count))
    assert all(details(topic.headers(m)).keys() >= DETAILS for m in topic.messages(small.stack, DEAD_LETTER_TOPIC))
    assert {part: small.stack.pids[part] for part in pids} == pids  # no processor was restarted
    wait.until(lambda: small.total("order-processor", "retail_kafka_consumer_lag") == 0, "no lag", seconds=15)


def test_row_14_failed_orders_redriven_twice(small: System, figures: dict[str, Any]) -> None:
    """Orders failed by a rule are redriven twice after the rule was changed: each is processed once."""
    processors = small.parts("order-processor")
    for part in processors:
        small.configure(part, environ={"PROCESSOR_REFUSED_ITEMS": ",".join(GOODS)})
    with small.load(pick(1_000, 150), rate=50) as run:
        pass
    mine, orders = run.orders, len(run.account().accepted)
    wait.until(lambda: small.orders.count_documents(mine | {"status": "FAILED"}) == orders, "all FAILED", seconds=60)
    for part in processors:
        small.configure(part)
    for _ in range(2):
        _retail(small, "dead-letters", "redrive", "--all")
    redriven_at = time.time()

    figures["redriven"] = orders
    small.prove(run, figures=figures, healed_at=redriven_at, within=60)
    statuses = ["PLACED", "FAILED", "PLACED", "PROCESSED"]
    assert all([e["status"] for e in d["history"]] == statuses for d in small.orders.find(mine))


def _events_of(system: System, users: set[str]) -> list[Record]:
    found = topic.messages(system.stack, TOPIC)
    mine = [m for m in found if any(f'"userid":"{user}"'.encode() in (m.value() or b"") for user in users)]
    return [Record(m.key(), m.value(), topic.headers(m)) for m in mine]


def _duplicates(system: System) -> float:
    return system.samples_of("order-processor", "retail_events_consumed_total", "duplicate")


def _dead_lettered(system: System) -> list[int]:
    letters = topic.messages(system.stack, DEAD_LETTER_TOPIC)
    return [int(value) for m in letters for name, value in topic.headers(m) if name == MARK and value]


def _retail(system: System, *arguments: str) -> str:
    """Run the `retail` command with the operator's settings."""
    settings = system.folder / "clients" / "operator.env"
    command = [str(Path(sys.executable).with_name("retail")), "--env-file", str(settings), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
