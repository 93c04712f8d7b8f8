"""`retail dead-letters`: list, show and acknowledge."""

from fakes.operator import REASON, FakeSession, FakeTopics, failed, letter, order
from support.command import printed_json, retail


def test_list_shows_broken_events_and_failed_orders() -> None:
    session = FakeSession(
        failed("o1"),
        order("o2", "PROCESSED"),
        topics=FakeTopics(letters=[letter(7, b"o2"), letter(8, None), letter(9, b"\xff")]),
    )

    report = printed_json(retail(session, "dead-letters", "list", "--json"))

    assert [(e["id"], e["orderid"], e["order_status"]) for e in report["events"]] == [
        ("0:7", "o2", "PROCESSED"),
        ("0:8", None, None),
        ("0:9", None, None),
    ]
    assert report["events"][0]["source"] == "orders.placed 4:9"
    assert report["events"][0]["error"] == "BrokenEvent"
    assert report["failed_orders"] == [
        {"orderid": "o1", "userid": "alice", "failed_at": "2026-01-02T03:04:06Z", "reason": REASON}
    ]
    assert (report["more"], report["trouble"]) == (False, None)


def test_list_without_kafka_shows_failed_orders_and_exits_with_3() -> None:
    session = FakeSession(failed("o1"), topics=FakeTopics(unavailable="connection refused"))

    result = retail(session, "dead-letters", "list")

    assert result.exit_code == 3
    assert REASON in result.stdout
    assert "connection refused" in result.stderr


def test_dead_letter_is_acknowledged_only_once() -> None:
    session = FakeSession(topics=FakeTopics(letters=[letter(7, b"o9")]))
    done = retail(session, "dead-letters", "acknowledge", "0:7", "--json")
    again = retail(session, "dead-letters", "acknowledge", "0:7", "--json")
    absent = retail(session, "dead-letters", "acknowledge", "0:8")

    assert printed_json(done) == {"id": "0:7", "outcome": "acknowledged"}
    assert printed_json(again) == {"id": "0:7", "outcome": "nothing to do"}
    assert absent.exit_code == 1
    assert session.topics.acknowledged == [(0, 7)]


def test_show_writes_bytes_that_are_not_utf8_as_base64() -> None:
    session = FakeSession(topics=FakeTopics(letters=[letter(7, b"o9", b"\xff\x00")]))

    detail = printed_json(retail(session, "dead-letters", "show", "0:7", "--json"))

    assert (detail["value"], detail["encoding"]) == ("/wA=", "base64")
    assert ["ce_type", "/w=="] in detail["headers"]
    assert detail["dead_letter"]["size"] == 2


def test_show_of_dead_letter_without_value_reports_the_original_size() -> None:
    session = FakeSession(topics=FakeTopics(letters=[letter(7, b"o9", None, value_length="3000000")]))

    result = retail(session, "dead-letters", "show", "0:7")

    assert "no such order" in result.stdout
    assert printed_json(retail(session, "dead-letters", "show", "0:7", "--json"))["dead_letter"]["size"] == 3_000_000


def test_show_rejects_unknown_and_invalid_dead_letter_ids() -> None:
    assert retail(FakeSession(), "dead-letters", "show", "0:7").exit_code == 1
    assert retail(FakeSession(), "dead-letters", "show", "seven").exit_code == 2
