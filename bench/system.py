"""The system under test: the one-machine stack with one order-api, and the peers to compare it with."""

import base64
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from confluent_kafka.admin import AdminClient, NewTopic
from pymongo import MongoClient

from bench import backlog, peer_process
from bench.contenders import ORDER, USER, Order, Peer
from bench.measure import LoadFailedError, Request
from local_stack.stack import Stack, StackOptions

PASSWORD = "bench-correct-horse"  # noqa: S105 - of a user that exists only here
TOPIC_SECONDS = 30.0
SETTLE_SECONDS = 60.0
REQUEST_SECONDS = 10.0
MONGODB_MILLISECONDS = 30_000
TOPIC = "bench.orders"
API, AUTH, PROCESSOR = "order-api-0", "auth-api-0", "order-processor-0"
PROXY = "proxy"
SERVICES = (API, AUTH, PROCESSOR)
# No rate limits, because the whole load comes from one user and one address.
NO_LIMIT = dict.fromkeys(("RATE_LIMIT_ORDERS", "RATE_LIMIT_READS"), "999999/999999")
EXTRA = {
    "order-api": {"LOG_LEVEL": "info", **NO_LIMIT},
    "proxy": {
        "PROXY_REQUESTS_PER_ADDRESS": "9999",
        "PROXY_BODIES_PER_ADDRESS": "9999",
        "PROXY_REQUESTS_PER_TOKEN": "9999",
        "PROXY_REQUESTS_PER_REPLICA": "9999",
    },
}


class System:
    """Requests to the running system and the peers, and their processes; created by `running`."""

    def __init__(self, stack: Stack, peers: dict[str, subprocess.Popen[bytes]], mongodb: MongoClient[Any]) -> None:
        self._stack = stack
        self._peers = peers
        self._token: tuple[float, str] = (0.0, "")
        self._mongodb = mongodb

    @property
    def base_url(self) -> str:
        """The address of the TLS proxy."""
        return self._stack.base_url

    @property
    def url(self) -> str:
        """order-api's own address, which bypasses the proxy."""
        return self._url("order-api")

    @property
    def orders(self) -> backlog.Orders:
        """The collection of Retail Orders."""
        return self.collection(self.client()["MONGODB_DATABASE"], "orders")

    def collection(self, database: str, name: str) -> backlog.Orders:
        """Return any collection of the stack's MongoDB."""
        found: backlog.Orders = self._mongodb[database][name]
        return found

    def place(self, peer: Peer | None, order: Order = ORDER, *, url: str | None = None) -> Request:
        """Return the request that places an order on `peer` (None: Retail Orders, at `url` instead of its own)."""
        if peer:
            return Request(f"{peer.url}/order", json.dumps(order))
        return Request(f"{url or self.url}/order", json.dumps(order), f"Bearer {self.token()}")

    def read(self, *queries: str) -> Request:
        """Return requests for orders of the user: the queries in turn."""
        paths = tuple(f"/orderdetails?{query}" for query in queries)
        return Request(self.url, authorization=f"Bearer {self.token()}", paths=paths)

    def log_in(self) -> Request:
        """Return a request for an access token, at auth-api's own address."""
        self.token()  # registers the user
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return Request(f"{self._url('auth-api')}/api/token", authorization=f"Basic {credentials}")

    def client(self) -> dict[str, str]:
        """Return the environment variables with which a program connects to MongoDB and Kafka."""
        return self._stack.client("admin")

    def pids(self, **parts: str) -> dict[str, list[int]]:
        """Return the process ids of the given parts by the keywords; raise LoadFailedError if one does not run."""
        running_parts = self._stack.pids
        if missing := [part for part in parts.values() if part not in running_parts]:
            raise LoadFailedError(f"{', '.join(missing)} stopped during the measurement")
        return {group: [running_parts[part]] for group, part in parts.items()}

    def servers(self) -> dict[str, list[int]]:
        """Return the process ids of MongoDB and Kafka, by group."""
        return self.pids(mongod="mongodb-0", broker="kafka-0")

    def watched(self, peer: Peer | None) -> dict[str, list[int]]:
        """Return the ids of the processes that handle an order of `peer` (None: Retail Orders), by group."""
        if peer:
            return {"app": [self._peers[peer.name].pid]} | self.servers()
        return self.pids(app=API, processor=PROCESSOR) | self.servers()

    def settle(self, peer: Peer | None) -> None:
        """Wait until all orders of `peer` are published; those of Retail Orders (None) until they are processed."""
        if peer is None:
            backlog.await_none(self.orders, backlog.UNPROCESSED, SETTLE_SECONDS)
        elif peer.unpublished:
            name, query = peer.unpublished
            backlog.await_none(self.collection("bench", name), dict(query), SETTLE_SECONDS)

    def token(self) -> str:
        """Return an access token that is valid for the next ten minutes."""
        made, token = self._token
        if time.monotonic() - made > 5 * 60:
            with httpx.Client(base_url=self._stack.base_url, verify=self._stack.ca, trust_env=False) as client:
                client.post("/api/users", json={"username": USER, "password": PASSWORD})
                answer = client.get("/api/token", auth=(USER, PASSWORD)).raise_for_status()
            token = str(answer.json()["access_token"])
            self._token = (time.monotonic(), token)
        return token

    def place_one(self) -> str:
        """Place an order and return its id."""
        request = self.place(None)
        headers = {"Authorization": request.authorization, "Content-Type": "application/json"}
        with httpx.Client(trust_env=False, timeout=REQUEST_SECONDS) as client:
            answer = client.post(request.url, content=request.body, headers=headers).raise_for_status()
        return str(answer.json()["orderid"])

    def stop(self, part: str) -> None:
        """Stop a part of the stack."""
        self._stack.stop(part)

    def start(self, part: str) -> None:
        """Start a part that was stopped, without waiting until it is ready."""
        self._stack.start(part, wait=False)

    def await_ready(self, part: str) -> None:
        """Wait until the part is ready; raise StackError if that takes too long."""
        self._stack.await_ready(part)

    def memory(self) -> dict[str, float]:
        """Return the memory of each service in MiB: the proportional set size of all its processes."""
        sizes = {}
        for part in SERVICES:
            ((pid,),) = self.pids(part=part).values()
            root = psutil.Process(pid)
            pss = [process.memory_full_info().pss for process in [root, *root.children(recursive=True)]]
            sizes[part.removesuffix("-0")] = sum(pss) / 2**20
        return sizes

    def _url(self, service: str) -> str:
        return next(str(s["url"]) for s in self._stack.file["services"] if s["name"] == service)


@contextmanager
def running(root: Path, peers: Iterable[Peer], *, replicas: int = 1) -> Iterator[System]:
    """Start the stack, with `replicas` of order-api, and the peers; stop them at the end.

    The caller removes the folder `root`.
    """
    options = StackOptions(root=root, ports="free", counts={"order-api": replicas}, extra_env=EXTRA)
    with ExitStack() as ends, Stack(options) as stack:
        client = stack.client("admin")
        _create_topic(client)
        processes = {peer.name: ends.enter_context(peer_process.running(peer, client, root)) for peer in peers}
        for peer in peers:
            peer_process.await_first_order(peer, processes[peer.name])
        mongodb: MongoClient[Any] = MongoClient(
            client["MONGODB_URI"], tlsCAFile=client["MONGODB_CA_FILE"], tz_aware=True, timeoutMS=MONGODB_MILLISECONDS
        )
        yield System(stack, processes, ends.enter_context(mongodb))
        ends.close()


def _create_topic(client: dict[str, str]) -> None:
    admin = AdminClient(
        {
            "bootstrap.servers": client["KAFKA_BOOTSTRAP_SERVERS"],
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": client["KAFKA_USERNAME"],
            "sasl.password": client["KAFKA_PASSWORD"],
            "ssl.ca.location": client["KAFKA_CA_FILE"],
        }
    )
    admin.create_topics([NewTopic(TOPIC, 6, 1)])[TOPIC].result(TOPIC_SECONDS)


def machine() -> str:
    """Return one line about this machine, for the report."""
    return f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
