"""One short history for each safeguard: with it all is well, without it a promise breaks."""

from functools import partial

from model import promises
from model.happenings import happen
from model.processes import REFUSED_ITEM
from model.shop import Request, Shop, an_order


def failover_after_the_answer(shop: Shop) -> None:
    _place(shop)
    shop.servers.fail_over()


def repeat_after_no_answer(shop: Shop) -> None:
    request = _place(shop, "unanswered", key="k")
    shop.servers.replicate()
    shop.place(1, request)


def repeat_of_an_unsafe_insert_then_failover(shop: Shop) -> None:
    request = _place(shop, "unanswered", key="k")
    shop.place(1, request)
    shop.servers.fail_over()


def another_body_under_the_same_key(shop: Shop) -> None:
    _place(shop, key="k")
    _place(shop, key="k")


def no_answer_without_key(shop: Shop) -> None:
    _place(shop, "unanswered")


def new_primary_that_trails(shop: Shop) -> None:
    _place(shop)
    shop.servers.fail_over(kept=9, trailing=9)
    promises.check_readable(shop, 0)


def insert_that_is_lost(shop: Shop) -> None:
    _place(shop, "lost")
    _publish(shop)


def sweep_of_an_unsafe_insert_then_failover(shop: Shop) -> None:
    _place(shop, "unanswered")
    shop.seconds += 6
    shop.publish(1)
    happen(shop, "delivered")
    shop.servers.fail_over()


def delivery_that_fails(shop: Shop) -> None:
    _place(shop)
    shop.publish(0)
    shop.apis[0].producer.fail(stored=False)


def producers_that_break(shop: Shop) -> None:
    for number, api in enumerate(shop.apis):
        api.producer.fail(stored=False, fatal=True)
        shop.publish(number)
    _place(shop)


def forked_after_the_start(shop: Shop) -> None:
    shop.apis[0].fork()
    _place(shop)


def outage_then_all_killed(shop: Shop) -> None:
    _place(shop)
    _publish(shop)
    with shop.mongodb_away():
        _consume(shop)
    _kill_processors(shop)


def partition_that_goes_during_an_outage(shop: Shop) -> None:
    for _ in range(6):  # enough to have some in each partition
        _place(shop)
    _publish(shop)
    shop.topic.leave(shop.processors[1].consumer)
    with shop.mongodb_away():
        shop.consume(0)
        shop.consume(1)  # comes back, and gets a partition
        shop.consume(0)


def killed_between_write_and_commit(shop: Shop) -> None:
    _place(shop)
    _publish(shop)
    _consume(shop, "nothing", "nothing", "killed")


def failover_after_the_processing(shop: Shop) -> None:
    _place(shop)
    _publish(shop)
    shop.servers.replicate()
    _consume(shop)
    shop.servers.fail_over()


def long_outage(shop: Shop) -> None:
    _place(shop)
    _publish(shop)
    with shop.mongodb_away():
        for _ in range(10):
            _consume(shop)


def broken_event_then_all_killed(shop: Shop) -> None:
    _place(shop)
    shop.publish(0)
    shop.apis[0].producer.spoil()
    _publish(shop)
    _consume(shop)
    _kill_processors(shop)


def topic_made_anew(shop: Shop) -> None:
    _place(shop)
    _publish(shop)
    shop.topic.make_anew(keep_committed=False)


def topic_made_anew_during_a_pass(shop: Shop) -> None:
    _place(shop)
    _publish(shop)
    shop.servers.replicate()
    for number in (0, 1):
        shop.reconcile(number)
    shop.topic.make_anew(keep_committed=False)


def failed_and_redriven(shop: Shop) -> None:
    _place(shop, item=REFUSED_ITEM)
    _publish(shop)
    _consume(shop)
    shop.redrive()


def _place(shop: Shop, *mishaps: str, key: str | None = None, item: str = "apple") -> Request:
    request = Request(an_order(item, len(shop.requests) + 1), key)
    shop.requests.append(request)
    _plan(shop, mishaps)
    shop.place(0, request)
    return request


def _publish(shop: Shop) -> None:
    """Have replica 0 publish what it holds, and remove the markers."""
    for _ in range(2):
        shop.publish(0)
        while shop.apis[0].producer.taken:
            shop.apis[0].producer.deliver()
        shop.seconds += 0.1


def _consume(shop: Shop, *mishaps: str) -> None:
    for number in (0, 1):
        _plan(shop, mishaps)
        shop.consume(number)
        shop.plan.clear()
    shop.seconds += 0.5


def _kill_processors(shop: Shop) -> None:
    for number in (0, 1):
        shop.kill_processor(number)


def _plan(shop: Shop, mishaps: tuple[str, ...]) -> None:
    shop.plan.extend(partial(happen, shop, mishap) for mishap in mishaps)
