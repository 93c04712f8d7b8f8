"""The HTTP face of the orders: requests in, answers out, and what every error means."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec
import structlog
from flask import Blueprint, Response, request

from order_api import orders
from order_api.jwks import KeysUnavailable
from order_api.long_poll import Waiting
from order_api.models import STATUSES, OrderPage, OrderQuery, OrderRequest
from order_api.orders import Document
from order_api.placement import KeyReused, Placing
from order_api.store import OutcomeUnknown, StoreUnavailable, deadline
from order_api.token_verifier import View, open_to_all
from shared.http import app as web
from shared.http.problem import Problem, outcome_unknown, unavailable

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_WAIT = 30
_NUMBER = re.compile(r"0|[1-9][0-9]{0,3}", re.ASCII)


class Orders(Protocol):
    """Where orders are read from; see `store.OrderStore` for the contract."""

    def find(self, order_id: str, userid: str) -> Document | None:
        """Return a user's order, safe on a majority."""

    def is_on_its_way(self, order_id: str, userid: str) -> bool:
        """Tell whether there is a user's order after all, which `find` did not see yet."""

    def newest(self, userid: str, *, status: str | None, after: str | None, limit: int) -> list[Document]:
        """Return up to `limit` of a user's orders, newest first, from the one after the order `after`."""


PROBLEMS: Mapping[type[Exception], Callable[[Any], Problem]] = {
    StoreUnavailable: lambda e: unavailable("orders cannot be reached now; nothing was done, try again", e.retry_after),
    KeysUnavailable: lambda _: unavailable("tokens cannot be verified now; nothing was done, try again", 1),
    OutcomeUnknown: lambda e: outcome_unknown(
        "whether the order was stored is not known: repeat with the same Idempotency-Key, "
        f"or ask for {e.order_id}, which may come up to two minutes late",
        order_reference=e.order_id,
    ),
    KeyReused: lambda _: Problem(422, "this Idempotency-Key was used for another order", type="idempotency-key-reused"),
    orders.BadKey: lambda e: Problem(400, str(e)),
    orders.BadCursor: lambda e: Problem(400, str(e)),
    orders.RefusedOrder: lambda e: Problem(422, f"{e.pointer}: {e}", errors=[(e.pointer, str(e))]),
}


@dataclass(frozen=True)
class Routes:
    """The views; `required` guards those that need a token."""

    store: Orders
    placing: Placing
    waiting: Waiting
    required: Callable[[View], View]
    require_token: bool
    currencies: tuple[str, ...]

    def blueprint(self) -> Blueprint:
        """Return the routes; each declares its authentication."""
        blueprint = Blueprint("orders", __name__)
        place = self.required(self.place) if self.require_token else open_to_all(self.place)
        blueprint.add_url_rule("/order", "place", place, methods=["POST"])
        blueprint.add_url_rule("/orderdetails", "read", self.required(self.read), methods=["GET"])
        return blueprint

    def place(self, user: str | None = None) -> Response:
        """Place an order for `user`, or without a token (None) for whomever the body names."""
        _parameters()
        wish = web.read_json(OrderRequest)
        if user is not None and wish.userid != user:
            raise Problem(403, "userid must be the user whom the token names")
        header = request.headers.get("Idempotency-Key")
        key = None if header is None else orders.idempotency_key(header)
        order = orders.check(wish, self.currencies)
        traceparent = orders.traceparent(request.headers.get("traceparent"))
        with deadline():
            record, replayed = self.placing.place(order, key=key, traceparent=traceparent)
        structlog.contextvars.bind_contextvars(order_id=record["_id"])
        response = _json(orders.placed(record))
        response.headers["Location"] = "/orderdetails?" + urlencode({"orderid": record["_id"]})
        response.set_etag(orders.etag(record["_id"], 1))
        if replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    def read(self, user: str) -> Response:
        """Return one of the user's orders, or a page of them."""
        given = _parameters("orderid", "userid", "limit", "cursor", "status", "wait")
        wanted = _wanted(given)
        if "orderid" in wanted:
            _refuse(given, "limit", "cursor", "status", only_with="userid")
            return self._one(user, wanted["orderid"], wait=_number(given, "wait", 0, MAX_WAIT, default=0))
        _refuse(given, "wait", only_with="orderid")
        if wanted["userid"] != user:
            raise Problem(403, "userid must be the user whom the token names")
        return self._page(user, given)

    def _one(self, user: str, order_id: str, *, wait: int) -> Response:
        with deadline():
            record = self.store.find(order_id, user)
            if record is None:
                if self.store.is_on_its_way(order_id, user):
                    raise unavailable("this order cannot be shown yet; ask again", 1)
                raise Problem(404, "there is no such order")
        structlog.contextvars.bind_contextvars(order_id=order_id)  # only now is it known to be an id
        if wait:
            record = self.waiting.until_changed(record, lambda: self.store.find(order_id, user), wait)
        tag = orders.etag(order_id, record["version"])
        response = _not_modified() if request.if_none_match.contains_weak(tag) else _json(orders.details(record))
        response.set_etag(tag)
        return response

    def _page(self, user: str, given: Mapping[str, str]) -> Response:
        limit = _number(given, "limit", 1, MAX_LIMIT, default=DEFAULT_LIMIT)
        status = given.get("status")
        if status is not None and status not in STATUSES:
            raise Problem(400, f"status must be one of {', '.join(STATUSES)}")
        after = orders.decode_cursor(given["cursor"]) if "cursor" in given else None
        found = self.store.newest(user, status=status, after=after, limit=limit + 1)
        items = [orders.summary(record) for record in found[:limit]]
        cursor = orders.encode_cursor(items[-1].orderid) if len(found) > limit else None
        response = _json(OrderPage(items, cursor))
        if cursor:
            query = {"userid": user, "limit": limit, "cursor": cursor} | ({"status": status} if status else {})
            response.headers["Link"] = f'</orderdetails?{urlencode(query)}>; rel="next"'
        return response


def _wanted(given: Mapping[str, str]) -> dict[str, str]:
    """Return the one id that is asked for, from the query or the body."""
    in_query = {name: given[name] for name in ("orderid", "userid") if name in given}
    in_body = _ids_in_body()
    if in_query and in_body:
        raise Problem(400, "give the id in the query or in the body, not in both")
    wanted = in_query or in_body
    if len(wanted) != 1:
        raise Problem(400, "give exactly one of orderid and userid")
    return wanted


def _ids_in_body() -> dict[str, str]:
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return {}
    asked: dict[str, str] = msgspec.to_builtins(web.read_json(OrderQuery))
    if len(asked) > 1:
        raise Problem(422, "give one of orderid and userid", errors=[("", "has both orderid and userid")])
    return asked


def _parameters(*allowed: str) -> dict[str, str]:
    """Return the query's parameters; raise the Problem for an unknown or repeated one."""
    for name, values in request.args.lists():
        if name not in allowed:
            raise Problem(400, f"unknown query parameter: {name[:64]}")
        if len(values) > 1:
            raise Problem(400, f"query parameter given twice: {name}")
    return request.args.to_dict()


def _refuse(given: Mapping[str, str], *names: str, only_with: str) -> None:
    for name in names:
        if name in given:
            raise Problem(400, f"{name} goes with {only_with} only")


def _number(given: Mapping[str, str], name: str, low: int, high: int, *, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise Problem(400, f"{name} must be a whole number from {low} to {high}")
    return int(text)


def _json(answer: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(answer), content_type="application/json")


def _not_modified() -> Response:
    response = Response(status=304)
    del response.headers["Content-Type"]
    return response
