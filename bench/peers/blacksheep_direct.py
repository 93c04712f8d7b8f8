"""BlackSheep with the async driver: insert, then produce without waiting. No outbox."""

import json
from typing import Any

from blacksheep import Application, Request, Response
from blacksheep.server.responses import json as json_response
from pymongo import AsyncMongoClient

from bench.peers import common

app = Application()
producer = common.producer()
_state: dict[str, Any] = {}


@app.on_start
async def connect(_app: Application) -> None:
    """Connect on the server's own event loop."""
    _state["orders"] = AsyncMongoClient(**common.MONGO).bench.orders


@app.router.post("/order")
async def place(request: Request) -> Response:
    """Store the order and enqueue its event."""
    try:
        document = common.order(await request.json())
    except common.BadOrderError as error:
        return json_response({"error": str(error)}, 422)
    await _state["orders"].insert_one(document)
    reply = common.answer(document)
    producer.produce(common.TOPIC, key=document["_id"], value=json.dumps(reply))
    return json_response(reply)
