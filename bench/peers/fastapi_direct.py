"""FastAPI with the async driver: insert, then produce without waiting. No outbox."""

import json
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from pymongo import AsyncMongoClient

from bench.peers import common

app = FastAPI()
orders = AsyncMongoClient(**common.MONGO).bench.orders
producer = common.producer()


@app.post("/order")
async def place(request: Request) -> dict[str, Any]:
    """Store the order and enqueue its event."""
    try:
        document = common.order(await request.json())
    except common.BadOrderError as error:
        raise HTTPException(422, str(error)) from None
    await orders.insert_one(document)
    reply = common.answer(document)
    producer.produce(common.TOPIC, key=document["_id"], value=json.dumps(reply))
    return reply
