"""Flask as tutorials write it: each request inserts, produces and flushes, through circuit breakers. No outbox."""

import json

from confluent_kafka import Producer
from flask import Flask, request
from pybreaker import CircuitBreaker
from pymongo import MongoClient

from bench.peers import common

app = Flask(__name__)
orders = MongoClient(**common.MONGO).bench.orders
producer = Producer(common.KAFKA)
mongodb_breaker, kafka_breaker = CircuitBreaker(), CircuitBreaker()


@app.post("/order")
def place() -> tuple[dict[str, object], int]:
    """Store the order and publish its event, and wait for both."""
    try:
        document = common.order(request.get_json())
    except common.BadOrderError as error:
        return {"error": str(error)}, 422
    mongodb_breaker.call(orders.insert_one, document)
    reply = common.answer(document)
    kafka_breaker.call(_publish, document["_id"], json.dumps(reply))
    return reply, 200


def _publish(key: str, value: str) -> None:
    producer.produce(common.TOPIC, key=key, value=value)
    producer.flush(2)
