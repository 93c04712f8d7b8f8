"""GET /orderdetails through Flask's test client."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fakes.replica_set import Failure
from support.order_api import OrderService, order, process


@pytest.fixture
def service(tmp_path: Path) -> OrderService:
    return OrderService(tmp_path)


def test_order_is_readable_at_its_location_with_history(service: OrderService) -> None:
    placed = service.place()
    process(service, placed.json["orderid"])
    answer = service.client.get(placed.headers["Location"], headers=service.bearer())

    assert answer.status_code == 200
    assert answer.json == placed.json | {
        "status": "PROCESSED",
        "processed_at": "2030-01-01T12:00:01.123000Z",
        "history": [
            {"status": "PLACED", "at": "2030-01-01T12:00:00.123000Z", "by": "order-api", "reason": None},
            {"status": "PROCESSED", "at": "2030-01-01T12:00:01.123000Z", "by": "order-processor", "reason": None},
        ],
    }
    assert answer.headers["ETag"] == f'"{placed.json["orderid"]}.2"'


def test_upper_case_id_finds_the_order(service: OrderService) -> None:
    placed = service.place()
    upper = placed.json["orderid"].upper()
    in_query, in_body = service.read(f"?orderid={upper}"), service.read(body={"orderid": upper})

    assert [answer.json["orderid"] for answer in (in_query, in_body)] == [placed.json["orderid"]] * 2
    assert in_query.headers["ETag"] == placed.headers["ETag"]


@pytest.mark.parametrize("sent", ["bob+shop@example.com", "bob%2Bshop@example.com"])
def test_plus_in_a_userid_needs_no_escape(service: OrderService, sent: str) -> None:
    user = "bob+shop@example.com"
    placed = service.place(order(userid=user), user=user)
    answer = service.read(f"?userid={sent}", user=user)

    assert [item["orderid"] for item in answer.json["items"]] == [placed.json["orderid"]]


def test_head_returns_the_headers_of_a_read(service: OrderService) -> None:
    placed = service.place()
    address = f"/orderdetails?orderid={placed.json['orderid']}"
    answer = service.client.head(address, headers=service.bearer())

    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["ETag"] == placed.headers["ETag"]


def test_id_is_accepted_in_a_json_body(service: OrderService) -> None:
    placed = service.place()
    one = service.read(body={"orderid": placed.json["orderid"]})
    page = service.read(body={"userid": "alice"})

    assert one.json["orderid"] == placed.json["orderid"]
    assert [item["orderid"] for item in page.json["items"]] == [placed.json["orderid"]]


@pytest.mark.parametrize(
    ("status", "query", "body"),
    [
        (400, "", None),
        (400, "?orderid=a&userid=alice", None),
        (400, "?orderid=a", {"orderid": "a"}),
        (400, "?orderid=a", {"userid": "alice"}),
        (400, "?orderid=a&orderid=b", None),
        (400, "?userid=alice&limit=1&limit=2", None),
        (400, "?order_id=a", None),
        (400, "?orderid=a&limit=1", None),
        (400, "?orderid=a&cursor=x", None),
        (400, "?orderid=a&status=PLACED", None),
        (400, "?userid=alice&wait=1", None),
        (400, "?userid=alice&limit=0", None),
        (400, "?userid=alice&limit=101", None),
        (400, "?userid=alice&limit=ten", None),
        (400, "?userid=alice&limit=", None),
        (400, "?userid=alice&limit=-1", None),
        (400, "?userid=alice&limit=%D9%A1", None),
        (400, "?userid=alice&status=placed", None),
        (400, "?userid=alice&cursor=nonsense", None),
        (400, "?orderid=a&wait=31", None),
        (400, "?orderid=a&wait=x", None),
        (400, "", {}),
        (422, "", {"orderid": "a", "userid": "alice"}),
        (422, "", {"orderid": {"$ne": None}}),
        (422, "", {"userid": {"$ne": None}}),
        (422, "", {"userid": None}),
        (422, "", {"userid": "alice", "limit": 1}),
        (422, "", ["alice"]),
        (403, "?userid=bob", None),
        (403, "?userid=", None),
        (403, "", {"userid": "bob"}),
    ],
)
def test_invalid_query_or_body_is_rejected(service: OrderService, status: int, query: str, body: Any) -> None:
    answer = service.read(query, body=body)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def test_unreadable_body_of_a_read_is_rejected(service: OrderService) -> None:
    def get(body: bytes, content_type: str) -> int:
        answer = service.client.get("/orderdetails", data=body, content_type=content_type, headers=service.bearer())
        return answer.status_code

    assert get(b'{"userid": "alice"', "application/json") == 400
    assert get(b'{"userid": "alice"}', "text/plain") == 415
    assert get(b" " * 65_537, "application/json") == 413


@pytest.mark.parametrize("malformed", ["", "x", "../x", "%00", "0" * 3000, "%ff", "{}"])
def test_absent_foreign_and_malformed_ids_return_the_same_404(service: OrderService, malformed: str) -> None:
    foreign = service.place(order(userid="bob"), user="bob").json["orderid"]
    absent = "01a20f67-0d04-7dd3-8543-1dffca081978"
    answers = [service.read(f"?orderid={order_id}").json for order_id in (foreign, absent, malformed)]

    assert [answer["status"] for answer in answers] == [404] * 3
    assert len({str({k: v for k, v in a.items() if k != "request_id"}) for a in answers}) == 1


def test_uncommitted_order_returns_unavailable_instead_of_404(service: OrderService) -> None:
    service.fail_next("insert", Failure.UNANSWERED)
    reference = service.place().json["order_reference"]
    mine, foreign = service.read(f"?orderid={reference}"), service.read(f"?orderid={reference}", user="bob")

    assert (mine.status_code, mine.json["type"]) == (503, "unavailable")
    assert mine.headers["Retry-After"] == "1"
    assert foreign.status_code == 404


def test_read_returns_unavailable_during_database_outage(service: OrderService) -> None:
    service.stop_mongodb()

    for query in ("?orderid=a", "?userid=alice"):
        answer = service.read(query)
        assert (answer.status_code, answer.json["type"]) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "4"


def test_matching_etag_returns_304(service: OrderService) -> None:
    placed = service.place()
    query, tag = f"?orderid={placed.json['orderid']}", placed.headers["ETag"]
    same = service.read(query, **{"If-None-Match": f'"other", W/{tag}'})
    process(service, placed.json["orderid"])
    changed = service.read(query, **{"If-None-Match": tag})

    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", tag)
    assert "Content-Type" not in same.headers
    assert changed.status_code == 200


def test_pages_are_newest_first_and_linked(service: OrderService) -> None:
    placed = []
    for _ in range(5):
        service.clock.advance(1)
        placed.append(service.place().json["orderid"])
    service.place(order(userid="bob"), user="bob")
    pages, query = [], "?userid=alice&limit=2"
    while query:
        answer = service.read(query)
        pages.append([item["orderid"] for item in answer.json["items"]])
        link = answer.headers.get("Link")
        query = f"?{urlsplit(link.removeprefix('<').partition('>')[0]).query}" if link else ""
        if link:
            assert link.endswith('>; rel="next"')
            assert parse_qs(query[1:])["cursor"] == [answer.json["next_cursor"]]

    assert pages == [placed[4:2:-1], placed[2:0:-1], placed[:1]]
    assert answer.json["next_cursor"] is None
    assert "history" not in answer.json["items"][0]
    assert answer.json["items"][0]["processed_at"] is None


def test_full_last_page_has_no_next_cursor(service: OrderService) -> None:
    service.place()

    assert service.read("?userid=alice&limit=1").json["next_cursor"] is None


def test_page_ends_at_256_kib_and_the_next_one_continues(service: OrderService) -> None:
    body = json.dumps(order(orderitems=["€" * 200] * 100), ensure_ascii=False).encode()
    placed = []
    for _ in range(10):
        service.clock.advance(1)
        placed.append(service.place(body).json["orderid"])
    sizes, found, query = [], [], "?userid=alice&limit=100"
    while query:
        page = service.read(query)
        sizes.append(len(page.data))
        found += [item["orderid"] for item in page.json["items"]]
        query = f"?userid=alice&limit=100&cursor={page.json['next_cursor']}" if page.json["next_cursor"] else ""

    assert found == placed[::-1]
    assert max(sizes) < 257 * 1024
    assert len(sizes) == 3


def test_list_and_its_link_keep_the_status_filter(service: OrderService) -> None:
    ids = [service.place().json["orderid"] for _ in range(3)]
    process(service, ids[1])
    processed = service.read("?userid=alice&status=PROCESSED").json
    placed = service.read("?userid=alice&status=PLACED&limit=1")

    assert [item["orderid"] for item in processed["items"]] == [ids[1]]
    assert "status=PLACED" in placed.headers["Link"]
