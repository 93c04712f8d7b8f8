"""How a message of the Kafka client is converted to a Message."""

from typing import Any

from confluent_kafka import Message as ClientMessage

from shared.kafka_message import UNREADABLE, Message


class BadName(ClientMessage):
    """A client message whose `headers` raises what the client raises if a header name is not UTF-8."""

    def headers(self) -> Any:
        raise SystemError("headers returned a result with an exception set") from UnicodeDecodeError(
            "utf-8", b"\xff", 0, 1, "invalid start byte"
        )


def test_header_values_are_bytes_or_none() -> None:
    message = ClientMessage(topic="t", partition=1, offset=2, key=b"k", value=b"v", headers=[("a", b"b"), ("c", None)])

    assert Message.from_client(message) == Message("t", 1, 2, b"k", b"v", [("a", b"b"), ("c", None)])


def test_unreadable_headers_are_replaced_and_the_rest_is_kept() -> None:
    message = Message.from_client(BadName(topic="t", partition=1, offset=2, key=b"k", value=b"v"))

    assert (message.source, message.offset, message.key, message.value) == (("t", 1), 2, b"k", b"v")
    assert message.headers == [(UNREADABLE, b"'utf-8' codec can't decode byte 0xff in position 0: invalid start byte")]
