"""Only messages that cannot be processed are dead-lettered, with the cause; all others are processed or refused."""

from typing import Any

from order_api import orders as rules
from shared.mongo import Document
from shared.ordering import events, schema
from shared.ordering.dead_letter import details
from shared.ordering.events import GROUP, TOPIC
from support.seeded_orders import SeededOrders
from support.wait import until


def _reject(seeded: SeededOrders, *cases: Document) -> None:
    """Make the validator reject orders that match one of `cases`."""
    validator = {"$and": [schema.VALIDATOR, {"$nor": list(cases)}]}
    seeded.as_admin.command("collMod", schema.COLLECTION, validator=validator)


def test_only_unprocessable_messages_are_dead_lettered(seeded: SeededOrders) -> None:
    good = seeded.store(496)
    (rejected,) = seeded.store(1, item="plum")
    (unprocessable,) = seeded.store(1)
    (untouchable,) = seeded.store(1)
    _reject(seeded, {"_id": unprocessable, "status": "PROCESSED"}, {"_id": untouchable, "status": {"$ne": "PLACED"}})
    sent_before = len(seeded.letters())
    mark = seeded.user.encode()
    _, value, headers = events.encode(rules.build_event(seeded.as_api.orders.find_one({"_id": good[0]}) or {}))
    poison: dict[str, tuple[bytes | None, bytes | None, Any]] = {
        "undecodable": (mark, b"\xff\x00{", headers),
        "of a wrong type": (mark, b'{"orderid": 7}', headers),
        "without value": (mark, None, headers),
        "without key": (None, value, [*headers, ("test", mark)]),
        "of 1 MB": (mark, b"x" * 970_000, [*headers, ("big", b"y" * 20_000)]),
        "of an unknown order": (b"unknown", value.replace(good[0].encode(), b"unknown"), headers),
    }

    seeded.publish([*good[:248], rejected, unprocessable])
    for key, spoiled, its_headers in poison.values():
        seeded.send(key, spoiled, its_headers)
    seeded.publish([untouchable, *good[248:]])
    try:
        with seeded.processor(PROCESSOR_REFUSED_ITEMS="plum") as processor:
            until(
                lambda: len(seeded.letters()) == sent_before + len(poison) + 2 or None, "the dead letters", seconds=60
            )
            until(lambda: processor.count("retail_kafka_consumer_lag", TOPIC, "0") == 0, "no lag")
            until(lambda: seeded.count("PROCESSED") == 496, "the neighbours")
            assert processor.count("retail_events_consumed_total", "dead_letter") == 7
            assert processor.stop() == 0
    finally:
        schema.ensure(seeded.as_api[schema.COLLECTION])

    found = seeded.statuses()
    assert {order_id: found[order_id] for order_id in (rejected, unprocessable, untouchable)} == {
        rejected: "FAILED",
        unprocessable: "FAILED",
        untouchable: "PLACED",
    }
    assert {found[order_id] for order_id in good} == {"PROCESSED"}
    assert seeded.as_api.orders.find_one({"_id": untouchable})["outbox"]["due"] == "excluded"  # type: ignore[index]
    reasons = {
        order_id: seeded.as_api.orders.find_one({"_id": order_id})["history"][-1]["reason"]  # type: ignore[index]
        for order_id in (rejected, unprocessable)
    }
    assert reasons[rejected] == "item not sold: plum"
    assert reasons[unprocessable] == f"could not be processed; contact the shop, reference {unprocessable}"
    letters = seeded.letters()[:8]
    causes = [details(letter.headers) for letter in letters]
    assert sorted(t["error_class"] for t in causes) == ["BrokenEvent"] * 5 + [
        "UnknownOrder",
        "WriteError",
        "WriteError",
    ]
    assert {t["topic"] for t in causes} == {TOPIC}
    assert all(t["group"] == GROUP and t["first_failure"] <= t["last_failure"] for t in causes)
    originals = {(letter.key, letter.value) for letter in letters}
    assert {(key, spoiled) for key, spoiled, _ in poison.values()} <= originals
    (big,) = [letter for letter in letters if letter.value and len(letter.value) == 970_000]
    assert ("big", b"y" * 20_000) in big.headers
    assert sorted(t["attempts"] for t in causes if t["error_class"] == "WriteError") == ["5", "6"]
