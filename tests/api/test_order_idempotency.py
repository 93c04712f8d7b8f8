"""Idempotency-Key: one order per user and key, however often a request is repeated."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.replica_set import Failure
from shared.store import StoreUnavailable
from support.order_api import OrderService, order

ITEMS = [{"item": "apple"}, "pear"]


@pytest.fixture
def service(tmp_path: Path) -> OrderService:
    return OrderService(tmp_path)


def test_replay_of_a_processed_order_returns_the_first_response(service: OrderService) -> None:
    first = service.place(key="k")
    processed = {"$set": {"status": "PROCESSED", "version": 2}, "$unset": {"outbox": ""}}
    service.change(first.json["orderid"], processed)
    service.clock.advance(3600)
    again = service.place(key="k")

    assert again.data == first.data
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(service.enqueued) == 1
    assert service.count("retail_orders_placed_total") == 1
    assert service.count("retail_orders_replayed_total") == 1


def test_equivalent_body_and_quoted_key_are_a_replay(service: OrderService) -> None:
    first = service.place(order(orderitems=ITEMS, cost=4), key="k")
    same = {
        "currency": "USD",
        "orderitems": ["apple", {"quantity": 1, "item": "pear"}],
        "cost": "4.00",
        "userid": "alice",
    }
    again = service.place(same, key='"k"')

    assert again.data == first.data


@pytest.mark.parametrize("changes", [{"cost": "12.51"}, {"orderitems": ["pear"]}, {"orderitems": ["apple", "apple"]}])
def test_same_key_with_another_body_returns_422(service: OrderService, changes: dict[str, object]) -> None:
    service.place(key="k")
    answer = service.place(order(**changes), key="k")

    assert (answer.status_code, answer.json["type"]) == (422, "idempotency-key-reused")
    assert len(service.documents) == 1


def test_keys_of_different_users_are_independent(service: OrderService) -> None:
    service.place(key="k")
    answer = service.place(order(userid="bob"), user="bob", key="k")

    assert answer.status_code == 200
    assert "Idempotent-Replayed" not in answer.headers


def test_orders_without_a_key_are_independent(service: OrderService) -> None:
    service.place()
    service.place()

    assert len(service.documents) == 2


def test_rejected_request_does_not_use_up_its_key(service: OrderService) -> None:
    rejected = service.place(order(cost=-1), key="k")
    accepted = service.place(key="k")

    assert [rejected.status_code, accepted.status_code] == [422, 200]


@pytest.mark.parametrize("key", ["", '""', '"', "a b", 'a"b', '"a', "ä", "a" * 256, '"' + "a" * 256 + '"', "a\tb"])
def test_malformed_idempotency_key_returns_400(service: OrderService, key: str) -> None:
    assert service.place(key=key).status_code == 400
    assert not service.documents


def test_retry_resolves_an_unknown_outcome(service: OrderService) -> None:
    service.fail_next("insert", Failure.UNANSWERED)
    unknown = service.place(key="k")
    again = service.place(key="k")

    assert unknown.status_code == 503
    assert again.status_code == 200
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(service.documents) == 1


def test_replay_of_a_rolled_back_order_returns_unavailable(service: OrderService) -> None:
    service.fail_next("insert", Failure.UNANSWERED)
    service.place(key="k")
    service.servers.on_majority_wait = service.servers.fail_over  # a failover rolls the insert back during the lookup
    answer = service.place(key="k")

    assert (answer.status_code, answer.json["type"]) == (503, "unavailable")


def test_failed_lookup_of_a_duplicate_returns_unavailable_with_retry_after(
    service: OrderService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(_: object) -> None:
        raise StoreUnavailable(5)

    service.place(key="k")
    monkeypatch.setattr(service.store, "find_existing", reject)
    answer = service.place(key="k")

    assert (answer.status_code, answer.json["type"], answer.headers["Retry-After"]) == (503, "unavailable", "5")


def test_duplicate_id_returns_the_order_of_the_earlier_attempt(service: OrderService) -> None:
    service.place()
    replica = OrderService(service.folder, service.servers, service.server, clock=service.clock)
    answer = replica.place()

    assert answer.status_code == 200
    assert "Idempotent-Replayed" not in answer.headers
    assert len(service.documents) == 1


def test_uncommitted_duplicate_id_returns_outcome_unknown(service: OrderService) -> None:
    service.fail_next("insert", Failure.UNANSWERED)
    reference = service.place().json["order_reference"]
    service.servers.on_majority_wait = service.servers.fail_over
    replica = OrderService(service.folder, service.servers, service.server, clock=service.clock)
    answer = replica.place()

    assert (answer.status_code, answer.json["type"]) == (503, "outcome-unknown")
    assert answer.json["order_reference"] == reference


def test_parallel_requests_with_one_key_make_one_order(service: OrderService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.store.OPERATION_SECONDS", 60.0)  # so that no operation times out on a slow machine
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.place(key="k"), range(40)))

    assert {a.status_code for a in answers} == {200}
    assert len({a.json["order_reference"] for a in answers}) == 1
    assert sum("Idempotent-Replayed" not in a.headers for a in answers) == 1
    assert len(service.documents) == 1
