"""One Idempotency-Key of a user makes one order, even if the request is sent many times in parallel."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from support.customer import Customer


def test_parallel_posts_with_one_key_make_one_order(customer: Customer) -> None:
    with ThreadPoolExecutor(12) as pool:  # more than 16 parallel requests of a user get 429
        answers = list(pool.map(lambda _: _settled(customer, "parallel"), range(200)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["order_reference"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert len(customer.get(userid=customer.name, limit=100).json()["items"]) == 1


def test_same_key_with_another_body_returns_422(customer: Customer) -> None:
    customer.place(key="once")

    rejected = customer.post({"cost": "8.50"}, key="once")

    assert rejected.status_code == 422


def test_equivalent_body_replays_the_same_order(customer: Customer) -> None:
    first = customer.place(key="words")

    again = customer.post(
        {"orderitems": [{"item": "apple"}, {"quantity": 3, "item": "pear"}], "cost": 7.5}, key='"words"'
    )

    assert again.status_code == 200
    assert again.json()["order_reference"] == first
    assert again.headers["Idempotent-Replayed"] == "true"


def test_same_key_of_another_user_makes_another_order(customer: Customer, https_client: httpx.Client) -> None:
    other = Customer(https_client)

    assert customer.place(key="shared-key") != other.place(key="shared-key")


def test_rejected_request_does_not_use_up_its_key(customer: Customer) -> None:
    assert customer.post({"cost": "-1"}, key="again").status_code == 422

    assert customer.post(key="again").status_code == 200


def _settled(customer: Customer, key: str) -> httpx.Response:
    """Place an order with this key; retry on 503, because a parallel request's insert may not be committed yet."""
    for _ in range(20):
        answer = customer.post(key=key)
        if answer.status_code != 503:
            break
    return answer
