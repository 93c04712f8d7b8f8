"""One order, from registration to PROCESSED, through the proxy, shown request by request."""

import json
import secrets
import ssl
import time
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

PROCESSED_SECONDS = 60.0
ONE_LINE = 110  # characters
HIDDEN = {"access_token", "password"}


def run(*, base_url: str, ca: Path, console: Console) -> bool:
    """Make the calls, print each, and return whether the order was PROCESSED within a minute."""
    context = ssl.create_default_context(cafile=str(ca))
    with httpx.Client(base_url=base_url, verify=context, trust_env=False, timeout=40) as client:
        visitor = _Visitor(client, console)
        return visitor.order(visitor.login())


class _Visitor:
    def __init__(self, client: httpx.Client, console: Console) -> None:
        self._client = client
        self._console = console
        self._name = f"visitor-{secrets.token_hex(3)}"

    def login(self) -> str:
        """Register, and return a token."""
        password = secrets.token_urlsafe(16)
        self._call("Register", "POST", "/api/users", json={"username": self._name, "password": password})
        answer = self._call("Ask for a token", "GET", "/api/token", auth=(self._name, password))
        return str(answer.get("access_token"))

    def order(self, token: str) -> bool:
        """Place an order, wait for its outcome, and return whether it is PROCESSED."""
        headers = {"Authorization": f"Bearer {token}"}
        order = {"userid": self._name, "cost": "7.45", "orderitems": [TEA, "a biscuit"]}
        key = {"Idempotency-Key": secrets.token_hex(8)}
        placed = self._call("Place an order", "POST", "/order", json=order, headers=headers | key)
        query = {"orderid": str(placed.get("orderid")), "wait": "10"}
        deadline = time.monotonic() + PROCESSED_SECONDS
        answer = placed
        while answer.get("status") == "PLACED" and time.monotonic() < deadline:
            answer = self._call("Look at the order", "GET", "/orderdetails", params=query, headers=headers)
        processed = answer.get("status") == "PROCESSED"
        self._say(f"The order was {answer.get('status')}.", style="bold green" if processed else "bold red")
        return processed

    def _call(self, title: str, method: str, path: str, **request: Any) -> dict[str, Any]:
        built = self._client.build_request(method, path, **{k: v for k, v in request.items() if k != "auth"})
        self._say(f"\n{title}", style="bold")
        self._say(f"  {method} {built.url.raw_path.decode()}", style="cyan")
        if "auth" in request:
            self._say(f"  Authorization: Basic {self._name}:…", style="dim")
        if token := built.headers.get("Authorization"):
            self._say(f"  Authorization: Bearer {_cut(token.removeprefix('Bearer '))}", style="dim")
        if key := built.headers.get("Idempotency-Key"):
            self._say(f"  Idempotency-Key: {key}", style="dim")
        if "json" in request:
            self._say(f"  {_show(request['json'])}")
        answer = self._client.send(built, auth=request.get("auth", httpx.USE_CLIENT_DEFAULT))
        document: dict[str, Any] = answer.json()
        good = answer.is_success
        self._say(f"  → {answer.status_code} {answer.reason_phrase}", style="green" if good else "red")
        self._say(f"  {_show(document)}")
        return document

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))


TEA = {"item": "tea", "quantity": 2}


def _show(document: dict[str, Any]) -> str:
    """Format JSON: on one line if it is short, with a line for each member otherwise."""
    members = [
        f"{json.dumps(name)}: {json.dumps(_cut(value) if name in HIDDEN else value, ensure_ascii=False)}"
        for name, value in document.items()
    ]
    line = f"{{{', '.join(members)}}}"
    return line if len(line) <= ONE_LINE else "{\n      " + ",\n      ".join(members) + "\n  }"


def _cut(secret: str) -> str:
    """Keep the first characters of a token, so that it can be recognised, and nothing of a password."""
    return f"{secret[:10]}…" if secret.startswith("ey") else "…"
