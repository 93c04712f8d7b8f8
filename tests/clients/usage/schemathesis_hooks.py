"""Changes generated requests to meet two rules that no schema expresses: about the user id and the sum of prices."""

import os
from typing import Any

import schemathesis

NAME = os.environ["CUSTOMER"]


@schemathesis.hook
def before_call(context: Any, case: Any, **_kwargs: Any) -> None:
    """In an order, set the user id to the token's user and remove prices: their sum would have to equal the cost.

    In a query for orders, keep only `limit` and `status`, and set the user id.
    """
    if context.operation.path == "/orderdetails":
        kept = {k: v for k, v in (case.query or {}).items() if k in {"limit", "status"}}
        case.query = kept | {"userid": NAME}
    elif isinstance(case.body, dict) and "orderitems" in case.body:
        case.body = case.body | {
            "userid": NAME,
            "orderitems": [_without_price(item) for item in case.body["orderitems"]],
        }


def _without_price(item: Any) -> Any:
    return {k: v for k, v in item.items() if k != "price"} if isinstance(item, dict) else item
