"""Falcon with the guarantee of Retail Orders: an order has an outbox entry until Kafka has confirmed its event."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import falcon
from confluent_kafka import Producer
from pymongo import MongoClient

from bench.peers import common

GRACE = timedelta(seconds=2)
REMOVAL_SECONDS = 0.05
SWEEP_SECONDS = 1.0
BATCH = 500

orders = MongoClient(**common.MONGO).bench.outbox_orders
orders.create_index("outbox.due", partialFilterExpression={"outbox.due": {"$exists": True}})
producer = Producer(common.KAFKA)
_delivered: list[str] = []


def publish(document: dict[str, Any]) -> None:
    """Enqueue the order's event; the order keeps its outbox entry until the event is delivered."""
    order_id = document["_id"]

    def on_delivery(error: Any, _message: Any) -> None:
        if error is None:
            _delivered.append(order_id)

    producer.produce(common.TOPIC, key=order_id, value=json.dumps(common.answer(document)), on_delivery=on_delivery)


def relay() -> None:
    """Remove the entries of delivered events, and publish overdue events again. Works with one replica only."""
    next_sweep = 0.0
    while True:
        producer.poll(0)
        removed, _delivered[:] = _delivered[:], []
        if removed:
            orders.update_many({"_id": {"$in": removed}}, {"$unset": {"outbox": 1}})
        if time.monotonic() >= next_sweep:
            next_sweep = time.monotonic() + SWEEP_SECONDS
            now = datetime.now(UTC)
            due = list(orders.find({"outbox.due": {"$lt": now}}, {"outbox": 0}, limit=BATCH))
            orders.update_many(
                {"_id": {"$in": [document["_id"] for document in due]}}, {"$set": {"outbox.due": now + 10 * GRACE}}
            )
            for document in due:
                publish(document)
        time.sleep(REMOVAL_SECONDS)


class Order:
    """POST /order."""

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Store the order with its outbox entry, and enqueue its event."""
        try:
            document = common.order(request.get_media())
        except common.BadOrderError as error:
            raise falcon.HTTPUnprocessableEntity(description=str(error)) from None
        orders.insert_one(document | {"outbox": {"due": datetime.now(UTC) + GRACE}})
        publish(document)
        response.text = json.dumps(common.answer(document))


threading.Thread(target=relay, name="relay", daemon=True).start()
app = falcon.App()
app.add_route("/order", Order())
