"""In a forked child, the fake producer and the real one accept an event, but never send it or report its delivery."""

from typing import Any

from fakes import kafka_producer
from fakes.kafka_log import FakeTopic
from local_stack.stack import Stack
from shared import kafka
from shared.ordering.events import TOPIC
from support.forked_child import in_forked_child
from support.servers import connection

FLUSH_SECONDS = 3.0


def reports(producer: Any) -> int:
    """Produce one event, flush, and return the number of delivery reports."""
    came: list[Any] = []
    producer.produce(TOPIC, key=b"k", value=b"{}", headers=[], on_delivery=lambda *report: came.append(report))
    producer.flush(FLUSH_SECONDS)
    return len(came)


def test_fake_producer_in_a_forked_child_reports_nothing() -> None:
    topic = FakeTopic(TOPIC)
    producer = kafka_producer.FakeProducer({TOPIC: topic}, delivers_on_flush=True)
    producer.fork()

    assert reports(producer) == 0
    assert topic.all_keys == set()


def test_real_producer_in_a_forked_child_reports_nothing(servers: Stack) -> None:
    producer = kafka.producer(connection(servers, "order-api"), lambda _: None)
    producer.list_topics(TOPIC, timeout=10)  # the producer connects before the fork

    assert in_forked_child(lambda: reports(producer), seconds=FLUSH_SECONDS + 10) == 0
