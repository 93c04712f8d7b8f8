"""What can happen to the shop at any moment, by name: alone, or in the middle of somebody's work."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from fakes.replica_set import Trouble
from model import promises
from model.shop import Killed, Shop

MOST_MISHAPS = 3
TROUBLES = {trouble.name.lower(): trouble for trouble in Trouble}


def happen(shop: Shop, name: str) -> Trouble | None:
    """Let one thing happen; return the trouble that it means for the operation in the middle of which it does."""
    if name == "killed":
        raise Killed
    if name in HAPPENINGS:
        HAPPENINGS[name](shop)
    return TROUBLES.get(name)


def plan(shop: Shop, number: int) -> None:
    """Have up to three mishaps come at the next talks with a dependency; each is a digit of `number`."""
    for _ in range(MOST_MISHAPS):
        number, digit = divmod(number, len(MISHAPS))
        shop.plan.append(partial(happen, shop, MISHAPS[digit]))


def told(number: int) -> Sequence[str]:
    """Return the names of the mishaps in `number`, first come first."""
    return [MISHAPS[number // len(MISHAPS) ** place % len(MISHAPS)] for place in range(MOST_MISHAPS)]


def _deliver(shop: Shop) -> None:
    for api in shop.apis:
        for _ in range(3):
            api.producer.deliver()


def _fail_deliveries(shop: Shop, *, stored: bool, fatal: bool = False) -> None:
    for api in shop.apis:
        api.producer.fail(stored=stored, fatal=fatal)


def _wait(shop: Shop, seconds: float) -> None:
    shop.seconds += seconds


HAPPENINGS: dict[str, Callable[[Shop], object]] = {
    "replicated": lambda shop: shop.servers.replicate(),
    "one write replicated": lambda shop: shop.servers.replicate(1),
    "failed over": lambda shop: shop.servers.fail_over(),
    "failed over, some kept": lambda shop: shop.servers.fail_over(kept=1),
    "failed over, all kept": lambda shop: shop.servers.fail_over(kept=9),
    "failed over, the view trails": lambda shop: shop.servers.fail_over(kept=9, trailing=2),
    "delivered": _deliver,
    "published by 0": lambda shop: shop.publish(0),
    "published by 1": lambda shop: shop.publish(1),
    "consumed by 0": lambda shop: shop.consume(0),
    "consumed by 1": lambda shop: shop.consume(1),
    "reconciled by 0": lambda shop: shop.reconcile(0),
    "reconciled by 1": lambda shop: shop.reconcile(1),
    "redriven": lambda shop: shop.redrive(),
    "taken over": lambda shop: shop.topic.leave(shop.processors[0].consumer),
    "a late write done": lambda shop: shop.servers.arrive(),
    "the topic made anew": lambda shop: shop.topic.make_anew(keep_committed=False),
    "the topic made anew, offsets kept": lambda shop: shop.topic.make_anew(keep_committed=True),
}
# Not in the middle of something: what the one at work would not survive, or what would make no difference there.
ALONE: dict[str, Callable[[Shop], object]] = {
    "1 second": lambda shop: _wait(shop, 1.0),
    "6 seconds": lambda shop: _wait(shop, 6.0),
    "31 seconds": lambda shop: _wait(shop, 31.0),
    "a delivery failed": lambda shop: _fail_deliveries(shop, stored=False),
    "a delivery reported as failed": lambda shop: _fail_deliveries(shop, stored=True),
    "a producer broken": lambda shop: _fail_deliveries(shop, stored=False, fatal=True),
    "an event broken": lambda shop: shop.break_events(),
    "api 0 killed": lambda shop: shop.kill_api(0),
    "api 1 killed": lambda shop: shop.kill_api(1),
    "processor 0 killed": lambda shop: shop.kill_processor(0),
    "processor 1 killed": lambda shop: shop.kill_processor(1),
    "the newest order refused": lambda shop: shop.refuse_or_take(0),
    "the second newest order refused": lambda shop: shop.refuse_or_take(1),
    "all read": lambda shop: promises.check_readable(shop, 0),
}
MISHAPS = ["nothing", *TROUBLES, "killed", *HAPPENINGS]
OUTAGES: dict[str, Callable[[Shop], AbstractContextManager[None]]] = {
    "no outage": lambda _: nullcontext(),
    "an outage of MongoDB": lambda shop: shop.mongodb_away(),
    "an outage of Kafka": lambda shop: shop.brokers_away(),
}
