"""Falcon: insert, then produce without waiting. No outbox: the event can be lost."""

import json

import falcon
from pymongo import MongoClient

from bench.peers import common

orders = MongoClient(**common.MONGO).bench.orders
producer = common.producer()


class Order:
    """POST /order."""

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Store the order and enqueue its event."""
        try:
            document = common.order(request.get_media())
        except common.BadOrderError as error:
            raise falcon.HTTPUnprocessableEntity(description=str(error)) from None
        orders.insert_one(document)
        response.text = json.dumps(common.answer(document))
        producer.produce(common.TOPIC, key=document["_id"], value=response.text)


app = falcon.App()
app.add_route("/order", Order())
