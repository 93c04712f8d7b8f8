"""The HTTP routes of the orders, and the table that maps errors to problem documents."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec
import structlog
from flask import Blueprint, Response, g, request

from order_api import orders, params, responses
from order_api.jwks import JwksUnavailable
from order_api.long_poll import LongPoll, is_closed
from order_api.models import STATUSES, EncodedPage, OrderQuery, OrderRequest
from order_api.orders import Document
from order_api.params import InvalidParameter
from order_api.placement import IdempotencyKeyReused, OrderPlacement
from order_api.rate_limit import RateLimits
from order_api.store import OrderStore
from order_api.token_verifier import View
from shared.http.app import authentication, mark_as_held, read_json
from shared.http.problem import Problem, outcome_unknown, unavailable
from shared.ordering.document import MalformedOrder
from shared.store import OutcomeUnknown, StoreUnavailable, operation_deadline
from shared.telemetry import log

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_WAIT = 30
logger = log.get(__name__)

PROBLEMS: Mapping[type[Exception], Callable[[Any], Problem]] = {
    StoreUnavailable: lambda e: unavailable(
        "The order database is unavailable; nothing was stored. Retry later.", e.retry_after
    ),
    JwksUnavailable: lambda _: unavailable(
        "The token cannot be verified right now; nothing was stored. Retry later.", 1
    ),
    OutcomeUnknown: lambda e: outcome_unknown(
        "The outcome is unknown. Retry with the same Idempotency-Key, "
        f"or look up {e.document_id}, which may take up to two minutes to appear.",
        order_reference=e.document_id,
    ),
    IdempotencyKeyReused: lambda _: Problem(
        422, "This Idempotency-Key was already used for a different order", type="idempotency-key-reused"
    ),
    MalformedOrder: lambda e: unavailable(f"The order cannot be shown; contact the shop, reference {e.order_id}.", 60),
    InvalidParameter: lambda e: Problem(400, str(e), type="invalid-parameter"),
    orders.OrderRejected: lambda e: Problem(
        422, f"{e.pointer}: {e}", type="invalid-order", errors=[(e.pointer, str(e))]
    ),
}


@dataclass(frozen=True)
class Routes:
    """The views; `required` decorates those that need a token."""

    store: OrderStore
    placement: OrderPlacement
    long_poll: LongPoll
    required: Callable[[View], View]
    limits: RateLimits
    require_token: bool
    currencies: tuple[str, ...]

    def blueprint(self) -> Blueprint:
        """Return the routes; each declares its authentication."""
        blueprint = Blueprint("orders", __name__)
        limited = self.limits.orders.limit(self.place)
        place = self.required(limited) if self.require_token else authentication("none")(limited)
        blueprint.add_url_rule("/order", "place", place, methods=["POST"])
        read = self.required(self.limits.reads.limit(self.read))
        blueprint.add_url_rule("/orderdetails", "read", read, methods=["GET"])
        return blueprint

    def place(self, user: str | None = None) -> Response:
        """Place an order for `user`, or without a token (None) for the userid in the body."""
        params.parse_query(request.args.lists())
        payload = read_json(OrderRequest)
        if user is not None:
            _check_subject(payload.userid, user)
        header = request.headers.get("Idempotency-Key")
        key = None if header is None else params.parse_idempotency_key(header)
        with operation_deadline():
            record, replayed = self._place(payload, key)
        structlog.contextvars.bind_contextvars(order_id=record["_id"])
        response = _json(self._shown(responses.to_placed, record))
        response.headers.add("Location", f"/orderdetails?orderid={record['_id']}")
        response.set_etag(params.format_etag(record["_id"], 1))
        if replayed:
            response.headers.add("Idempotent-Replayed", "true")
        return response

    def _place(self, payload: OrderRequest, key: str | None) -> tuple[Document, bool]:
        """Return the order's document, and whether an earlier request placed it.

        A replay returns the earlier order even if the current rules reject the request.
        """
        sent = orders.as_sent(payload, self.currencies)
        try:
            order = orders.validate(payload, self.currencies)
        except orders.OrderRejected:
            record = self.placement.find_replay(sent, key) if key is not None else None
            if record is None:
                raise
            return record, True
        return self.placement.place(order, key=key, traceparent=g.traceparent, sent=sent)

    def read(self, user: str) -> Response:
        """Return one of the user's orders, or a page of them."""
        query = params.parse_query(request.args.lists(), "orderid", "userid", "limit", "cursor", "status", "wait")
        requested = _requested_id(query)
        if "orderid" in requested:
            params.reject_unless_with("userid", query, "limit", "cursor", "status")
            wait = params.parse_number(query, "wait", 0, MAX_WAIT, default=0)
            return self._read_order(user, params.normalize_order_id(requested["orderid"]), wait=wait)
        params.reject_unless_with("orderid", query, "wait")
        _check_subject(requested["userid"], user)
        return self._read_page(user, query)

    def _read_order(self, user: str, order_id: str, *, wait: int) -> Response:
        with operation_deadline():
            record = self.store.find(order_id, user)
            if record is None:
                if self.store.is_pending(order_id, user):
                    raise unavailable("The order is not readable yet; retry.", 1)
                raise Problem(404, "Order not found", type="order-not-found")
        # logged only now: before, the client's text was not known to be an order's id
        structlog.contextvars.bind_contextvars(order_id=order_id)
        if wait:
            mark_as_held()
            is_gone = partial(is_closed, request.environ.get("gunicorn.socket"))
            record = self.long_poll.wait(record, lambda: self.store.find(order_id, user), wait, is_gone=is_gone)
        details = self._shown(responses.to_details, record)
        tag = params.format_etag(order_id, record["version"])
        response = _not_modified() if request.if_none_match.contains_weak(tag) else _json(details)
        response.set_etag(tag)
        return response

    def _read_page(self, user: str, query: Mapping[str, str]) -> Response:
        limit = params.parse_number(query, "limit", 1, MAX_LIMIT, default=DEFAULT_LIMIT)
        status = query.get("status")
        if status is not None and status not in STATUSES:
            raise InvalidParameter(f"status must be one of {', '.join(STATUSES)}")
        after = params.decode_cursor(query["cursor"]) if "cursor" in query else None
        with operation_deadline():
            items, last = self.store.read_newest(
                user,
                status=status,
                after=after,
                limit=limit + 1,
                read=partial(responses.to_page, limit=limit, on_malformed=self._note_malformed),
            )
        cursor = params.encode_cursor(last) if last else None
        response = _json(EncodedPage(items, cursor))
        if cursor:
            next_query = {"userid": user, "limit": limit, "cursor": cursor} | ({"status": status} if status else {})
            response.headers["Link"] = f'</orderdetails?{urlencode(next_query)}>; rel="next"'
        return response

    def _shown(self, to_response: Callable[[Document], msgspec.Struct], record: Document) -> msgspec.Struct:
        try:
            return to_response(record)
        except MalformedOrder as error:
            self._note_malformed(error)
            raise

    def _note_malformed(self, error: MalformedOrder) -> None:
        self.placement.metrics.malformed.inc()
        logger.error("order_malformed", order_id=error.order_id, detail=str(error))


def _check_subject(userid: str, user: str) -> None:
    if userid != user:
        raise Problem(403, "userid must match the token's subject", type="wrong-user")


def _requested_id(query: Mapping[str, str]) -> dict[str, str]:
    """Return the requested orderid or userid with its name: exactly one of them, from the query or from the body."""
    in_query = {name: query[name] for name in ("orderid", "userid") if name in query}
    if "userid" in in_query:
        in_query["userid"] = params.normalize_userid(in_query["userid"])
    in_body = _ids_in_body()
    if in_query and in_body:
        raise InvalidParameter("Pass the id in the query or the body, not both")
    requested = in_query or in_body
    if len(requested) != 1:
        raise InvalidParameter("Pass exactly one of orderid and userid")
    return requested


def _ids_in_body() -> dict[str, str]:
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return {}
    ids: dict[str, str] = msgspec.to_builtins(read_json(OrderQuery))
    if len(ids) > 1:
        raise Problem(
            422,
            "Pass only one of orderid and userid",
            type="invalid-body",
            errors=[("", "contains both orderid and userid")],
        )
    return ids


def _json(document: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(document), content_type="application/json")


def _not_modified() -> Response:
    response = Response(status=304)
    del response.headers["Content-Type"]
    return response
