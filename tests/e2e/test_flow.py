"""The whole flow of an order, over HTTPS, on the running system."""

from datetime import datetime

import httpx
import pytest

from support.customer import ORDER, Customer


def test_registered_user_places_an_order_that_is_processed(https_client: httpx.Client) -> None:
    """Register, get a token, place an order, and read it with its history once it is PROCESSED."""
    registered = https_client.post("/api/users", json={"username": "flow.user", "password": "correct horse"})
    token = https_client.get("/api/token", auth=("flow.user", "correct horse"))
    bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
    placed = https_client.post("/order", json={"userid": "flow.user", **ORDER}, headers=bearer)
    reference = placed.json()["order_reference"]
    done = https_client.get("/orderdetails", params={"orderid": reference, "wait": 30}, headers=bearer)

    assert (registered.status_code, registered.json()) == (201, {"username": "flow.user"})
    assert token.status_code == 200
    assert token.json()["token_type"] == "Bearer"
    assert datetime.fromisoformat(token.json()["expiry"]).tzinfo is not None
    assert placed.status_code == 200
    assert placed.json()["orderid"] == reference
    assert placed.json()["status"] == "PLACED"
    assert placed.headers["Location"] == f"/orderdetails?orderid={reference}"
    assert done.status_code == 200
    assert done.json()["status"] == "PROCESSED"
    assert [entry["status"] for entry in done.json()["history"]] == ["PLACED", "PROCESSED"]


@pytest.mark.parametrize("field", ["orderid", "userid"])
def test_order_and_user_id_are_accepted_in_query_or_body(customer: Customer, field: str) -> None:
    reference = customer.place()
    customer.processed(reference)
    wanted = {"orderid": reference, "userid": customer.name}[field]

    by_query = customer.get(**{field: wanted})
    by_body = customer.http.request("GET", "/orderdetails", json={field: wanted}, headers=customer.headers)

    assert by_query.status_code == by_body.status_code == 200
    assert by_query.json() == by_body.json()
    found = by_query.json() if field == "orderid" else by_query.json()["items"][0]
    assert found["orderid"] == reference


def test_list_pages_through_all_orders_newest_first(customer: Customer) -> None:
    references = [customer.place() for _ in range(5)]

    first = customer.get(userid=customer.name, limit=3)
    second = customer.get(userid=customer.name, limit=3, cursor=first.json()["next_cursor"])
    items = first.json()["items"] + second.json()["items"]

    assert [item["orderid"] for item in items] == references[::-1]
    assert second.json()["next_cursor"] is None
    assert 'rel="next"' in first.headers["Link"]
    assert all("history" not in item for item in items)


def test_foreign_absent_and_malformed_ids_return_the_same_404(customer: Customer, https_client: httpx.Client) -> None:
    reference = customer.place()
    stranger = Customer(https_client)

    others, absent = stranger.get(orderid=reference), stranger.get(orderid=reference[:-4] + "0000")
    malformed = stranger.get(orderid="not-an-id")

    def essence(answer: httpx.Response) -> tuple[int, dict[str, object]]:
        return answer.status_code, {k: v for k, v in answer.json().items() if k not in {"request_id", "instance"}}

    assert others.status_code == 404
    assert essence(others) == essence(absent) == essence(malformed)
    assert stranger.get(userid=customer.name).status_code == 403


def test_matching_etag_returns_304(customer: Customer) -> None:
    reference = customer.place()
    customer.processed(reference)
    etag = customer.get(orderid=reference).headers["ETag"]

    again = customer.http.get(
        "/orderdetails", params={"orderid": reference}, headers=customer.headers | {"If-None-Match": etag}
    )

    assert (again.status_code, again.content) == (304, b"")
