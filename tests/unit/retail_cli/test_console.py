"""What the pages and panels of the operator's console show."""

import re
from collections.abc import Sequence

import pytest
from pymongo.errors import AutoReconnect

from fakes.operator import NOW, FakeTopics, failed, letter, order, outbox_entry
from retail_cli.console.pages import PANELS
from retail_cli.reports import EventCopy
from shared.mongo import Document
from shared.ordering.events import TOPIC
from support.console import ROOT, console, raising


@pytest.mark.parametrize("panel", PANELS)
def test_each_panel_is_an_html_fragment_the_overview_refers_to(panel: str) -> None:
    client, _ = console(failed("o1"), order("o2", age=900.0), topics=FakeTopics(letters=[letter(3, b"o1")]))
    path = f"{ROOT}/panels/{panel.replace('_', '-')}"

    answer = client.get(path)

    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert "<h2>" in answer.text
    assert f'data-panel="{path}"' in client.get(f"{ROOT}/").text


def test_orders_panel_counts_each_status_and_the_outbox() -> None:
    client, _ = console(failed("o1"), order("o2", "PROCESSED"), order("o3", outbox=outbox_entry()), order("o4"))

    text = re.sub(r"<[^>]+>|\s+", " ", client.get(f"{ROOT}/panels/orders").text)

    assert re.search(r"PLACED\s+2\s+PROCESSED\s+1\s+FAILED\s+1", text)
    assert re.search(r"waiting for Kafka\s+1\b", text)


def test_order_page_shows_document_history_event_and_offset() -> None:
    copies = [EventCopy(TOPIC, 4, 17, NOW, handled=True)]
    client, _ = console(failed("o1"), topics=FakeTopics(copies={"o1": copies}, letters=[letter(3, b"o1")]))

    page = client.get(f"{ROOT}/order/o1").text

    for part in (
        "alice",
        "12.50",
        "no such item",
        "by order-processor",
        f"<td>{TOPIC}</td><td>4</td><td>17</td>",
        "BrokenEvent",
    ):
        assert part in page


def test_unknown_order_returns_404_and_names_the_order() -> None:
    client, _ = console()

    answer = client.get(f"{ROOT}/order/nobody")

    assert (answer.status_code, "there is no order nobody" in answer.text) == (404, True)


def test_all_panels_together_read_failed_orders_once() -> None:
    client, session = console(failed("o1"), topics=FakeTopics(letters=[letter(3, b"o1")]))
    read, reads = session.orders.failed, []

    def counted(limit: int) -> Sequence[Document]:
        reads.append(limit)
        return read(limit)

    session.orders.failed = counted  # type: ignore[method-assign]

    for panel in PANELS:
        client.get(f"{ROOT}/panels/{panel.replace('_', '-')}")

    assert len(reads) == 1


@pytest.mark.parametrize("panel", ["dead-letters", "lag"])
def test_kafka_outage_is_shown_only_where_kafka_is_needed(panel: str) -> None:
    client, _ = console(failed("o1"), topics=FakeTopics(unavailable="broker:9092: no answer"))

    assert "Kafka is unavailable: broker:9092" in client.get(f"{ROOT}/panels/{panel}").text
    assert "o1" in client.get(f"{ROOT}/panels/failed").text
    assert "Kafka is unavailable" in client.get(f"{ROOT}/order/o1").text


def test_mongodb_outage_returns_503_with_one_sentence() -> None:
    client, session = console()
    session.orders.counts = raising(AutoReconnect("gone"))  # type: ignore[method-assign]

    answer = client.get(f"{ROOT}/panels/orders")

    assert answer.status_code == 503
    assert "MongoDB is unavailable: gone" in answer.text
