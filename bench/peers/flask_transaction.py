"""Flask with the textbook outbox: order and event are two documents of one transaction, and a thread publishes."""

import json
import threading
import time

from confluent_kafka import Producer
from flask import Flask, request
from pymongo import MongoClient

from bench.peers import common

BATCH = 500
POLL_SECONDS = 0.05

app = Flask(__name__)
client = MongoClient(**common.MONGO)
orders, outbox = client.bench.transaction_orders, client.bench.transaction_outbox
for collection in (orders, outbox):  # created before requests: a transaction that creates a collection locks it
    if collection.name not in client.bench.list_collection_names():
        client.bench.create_collection(collection.name)
producer = Producer(common.KAFKA)


@app.post("/order")
def place() -> tuple[dict[str, object], int]:
    """Store the order and its event."""
    try:
        document = common.order(request.get_json())
    except common.BadOrderError as error:
        return {"error": str(error)}, 422
    reply = common.answer(document)
    with client.start_session() as session, session.start_transaction():
        orders.insert_one(document, session=session)
        outbox.insert_one({"_id": document["_id"], "event": json.dumps(reply)}, session=session)
    return reply, 200


def relay() -> None:
    """Publish events in batches, and delete each batch after its flush. Works with one replica only."""
    while True:
        batch = list(outbox.find(limit=BATCH))
        for entry in batch:
            producer.produce(common.TOPIC, key=entry["_id"], value=entry["event"])
        if batch and producer.flush(10) == 0:
            outbox.delete_many({"_id": {"$in": [entry["_id"] for entry in batch]}})
        if len(batch) < BATCH:
            time.sleep(POLL_SECONDS)


threading.Thread(target=relay, name="relay", daemon=True).start()
