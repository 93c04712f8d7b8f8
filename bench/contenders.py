"""The programs that Retail Orders is compared with, and their command lines.

Each has one worker process. Those that store orders use the same MongoDB and Kafka as Retail Orders.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
THREADS = "32"  # the default number of threads of order-api
USER = "bench"
Order = dict[str, Any]  # the body of POST /order
ORDER: Order = {"userid": USER, "cost": "12.50", "orderitems": [{"item": "tea", "quantity": 2}, "a biscuit"]}
LARGE_ORDER = ORDER | {"orderitems": [{"item": f"tea {number}", "quantity": 2} for number in range(100)]}


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that serves POST /order on `port`; `promise` says what its response 200 guarantees.

    `unpublished` is the collection and the query of the orders or events that its outbox still has to publish.
    """

    name: str
    promise: str
    port: int
    command: tuple[str, ...]
    unpublished: tuple[str, Mapping[str, Any]] | None = None

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, client: dict[str, str]) -> dict[str, str]:
        """Return the environment variables of the process; `client` has those for MongoDB and Kafka."""
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **client}


def gunicorn(module: str, port: int, worker: str = "gthread") -> tuple[str, ...]:
    """Return gunicorn's command line: one worker process with threads, and keep-alive."""
    return (
        *(str(BIN / "gunicorn"), "--workers", "1", "--worker-class", worker, "--threads", THREADS),
        *("--no-control-socket", "--keep-alive", "65", "--bind", f"127.0.0.1:{port}", f"bench.peers.{module}:app"),
    )


def uvicorn(module: str, port: int) -> tuple[str, ...]:
    """Return uvicorn's command line for an ASGI application, without an access log."""
    return (str(BIN / "uvicorn"), "--port", str(port), "--log-level", "warning", f"bench.peers.{module}:app")


def granian(module: str, port: int) -> tuple[str, ...]:
    """Return granian's command line for an ASGI application."""
    return (
        str(BIN / "granian"),
        "--interface",
        "asgi",
        "--port",
        str(port),
        "--log-level",
        "warning",
        f"bench.peers.{module}:app",
    )


OUR_SERVER = "shared.http.gunicorn_worker.LeaderFollowerWorker"
NOTHING, UNSAFE, SAFE = (
    "nothing is stored",
    "stored; the event can be lost",
    "stored with its event; neither can be lost",
)

WSGI = Peer("bare WSGI, our server", NOTHING, 18500, gunicorn("wsgi_bare", 18500, OUR_SERVER))
BARE = Peer("bare Flask, our server", NOTHING, 18501, gunicorn("flask_bare", 18501, OUR_SERVER))
NAIVE = Peer("naive Flask", "stored and published, one after the other", 18502, gunicorn("flask_naive", 18502))
FALCON = Peer("Falcon, no outbox", UNSAFE, 18503, gunicorn("falcon_direct", 18503))
FASTAPI = Peer("FastAPI, no outbox", UNSAFE, 18504, uvicorn("fastapi_direct", 18504))
BLACKSHEEP = Peer("BlackSheep, no outbox", UNSAFE, 18505, granian("blacksheep_direct", 18505))
TRANSACTION = Peer(
    "Flask, transaction outbox",
    SAFE,
    18506,
    gunicorn("flask_transaction", 18506),
    ("transaction_outbox", {}),
)
FALCON_OUTBOX = Peer(
    "Falcon, embedded outbox",
    SAFE,
    18507,
    gunicorn("falcon_outbox", 18507),
    ("outbox_orders", {"outbox.due": {"$exists": True}}),
)
PEERS = (WSGI, BARE, NAIVE, FALCON, FASTAPI, BLACKSHEEP, TRANSACTION, FALCON_OUTBOX)
OURS = "Retail Orders"
AGAIN = "Retail Orders, measured again"  # what differs from OURS is noise
OUR_PROMISE = SAFE
