"""Run by `helm test`: register a user, place an order and wait 30 s at most for PROCESSED; exit 1 on any failure."""

import base64
import json
import os
import secrets
import ssl
import sys
import urllib.error
import urllib.request

context = ssl.create_default_context()
for service in ("order-api", "auth-api"):
    context.load_verify_locations(f"/etc/authorities/{service}.crt")


def call(url: str, body: dict[str, object] | None = None, authorization: str | None = None) -> dict[str, str]:
    """Send a request and return the JSON of its response; the test fails without a 2xx response within 40 s."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=40, context=context) as answer:  # noqa: S310
            content: dict[str, str] = json.load(answer)
            return content
    except urllib.error.HTTPError as error:
        sys.exit(f"{url}: {error.code} {error.read().decode(errors='replace')}")
    except OSError as error:
        sys.exit(f"{url}: no response; are its pods ready? {error}")


orders, auth = os.environ["ORDER_API"], os.environ["AUTH_API"]
user, password = f"helm-test-{secrets.token_hex(8)}", secrets.token_urlsafe(24)
call(f"{auth}/api/users", {"username": user, "password": password})
basic = base64.b64encode(f"{user}:{password}".encode()).decode()
bearer = "Bearer " + call(f"{auth}/api/token", authorization=f"Basic {basic}")["access_token"]
order = call(f"{orders}/order", {"userid": user, "cost": "12.50", "orderitems": ["apple"]}, bearer)
order = call(f"{orders}/orderdetails?orderid={order['orderid']}&wait=30", authorization=bearer)
print(order["orderid"], order["status"])
sys.exit(order["status"] != "PROCESSED")
