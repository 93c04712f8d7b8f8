"""Users cannot place orders for others or read theirs: a foreign order gets the response of an unknown one."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from support.abuse import assert_rejected
from support.order_api import OrderService, order

USERS = [f"user{n}" for n in range(8)]
ORDERS_EACH = 4
SAME_ID = {"X-Request-ID": "same"}
ABSENT = "01890a5d-ac96-774b-bcce-b302099a8057"
MALFORMED = ["", "x", "0", "None", "null", "\0", "a" * 5000, "../" * 10, "é", ABSENT.upper(), ABSENT + " "]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> OrderService:
    return OrderService(tmp_path_factory.mktemp("orders"))


@pytest.fixture(scope="module")
def placed(service: OrderService) -> dict[str, list[Any]]:
    """For each user: the response body of each order that the user placed."""
    return {
        user: [service.place(order(userid=user), user=user, key=f"{user}-{n}").get_json() for n in range(ORDERS_EACH)]
        for user in USERS
    }


def test_owner_reads_their_orders(service: OrderService, placed: dict[str, list[Any]]) -> None:
    for user in USERS:
        for mine in placed[user]:
            assert service.read(f"?orderid={mine['orderid']}", user=user).get_json()["orderid"] == mine["orderid"]
        listed = service.read(f"?userid={user}", user=user).get_json()["items"]
        assert {item["orderid"] for item in listed} == {mine["orderid"] for mine in placed[user]}


@pytest.mark.parametrize("place", ["query", "body", "with an ETag", "with a wait"])
def test_foreign_order_gets_the_response_of_an_unknown_order(
    service: OrderService, placed: dict[str, list[Any]], place: str
) -> None:
    def read(order_id: str, user: str) -> Any:
        if place == "body":
            return service.read(user=user, body={"orderid": order_id}, **SAME_ID)
        headers = SAME_ID | ({"If-None-Match": "*"} if place == "with an ETag" else {})
        return service.read(
            f"?orderid={order_id}" + ("&wait=30" if place == "with a wait" else ""), user=user, **headers
        )

    for reader, owner in product(USERS, USERS):
        if reader == owner:
            continue
        absent = read(ABSENT, reader)
        assert_rejected(absent, 404)
        for theirs in placed[owner]:
            answer = read(theirs["orderid"], reader)
            assert (answer.status_code, answer.data) == (404, absent.data)
            assert list(answer.headers) == list(absent.headers)


@pytest.mark.parametrize("order_id", MALFORMED)
def test_malformed_id_gets_the_response_of_an_unknown_order(service: OrderService, order_id: str) -> None:
    absent = service.read(user="user0", body={"orderid": ABSENT}, **SAME_ID)
    answer = service.read(user="user0", body={"orderid": order_id}, **SAME_ID)

    assert (answer.status_code, answer.data) == (404, absent.data)


def test_lists_of_other_and_unknown_users_return_the_same_403(
    service: OrderService, placed: dict[str, list[Any]]
) -> None:
    assert placed
    answers = [
        service.read(user="user0", body={"userid": userid}, **SAME_ID) for userid in ("user1", "nobody", "", "USER0")
    ]

    for answer in answers:
        assert_rejected(answer, 403)
    assert len({answer.data for answer in answers}) == 1


def test_cursor_of_another_user_shows_none_of_their_orders(service: OrderService, placed: dict[str, list[Any]]) -> None:
    cursor = service.read("?userid=user1&limit=1", user="user1").get_json()["next_cursor"]
    page = service.read(f"?userid=user0&cursor={cursor}", user="user0").get_json()

    assert {item["userid"] for item in page["items"]} <= {"user0"}
    assert placed


def test_order_for_another_user_is_forbidden(tmp_path: Path) -> None:
    service = OrderService(tmp_path)

    for reader, owner in product(USERS, USERS):
        if reader != owner:
            assert_rejected(service.place(order(userid=owner), user=reader), 403)
    assert service.documents == {}


def test_idempotency_key_of_another_user_replays_nothing(service: OrderService, placed: dict[str, list[Any]]) -> None:
    for theirs in range(ORDERS_EACH):
        answer = service.place(order(userid="user0"), user="user0", key=f"user1-{theirs}")

        assert answer.status_code == 200
        assert "Idempotent-Replayed" not in answer.headers
        assert answer.get_json()["orderid"] not in {mine["orderid"] for mine in placed["user1"]}
