"""The system under test: the one-machine stack with one order-api, and the peers to compare it with."""

import os
import platform
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from confluent_kafka.admin import AdminClient, NewTopic

from bench.contenders import Peer
from local_stack.stack import Stack, StackOptions

USER, PASSWORD = "bench", "bench-correct-horse"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
TOPIC = "bench.orders"
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
    """Addresses, processes and tokens of the running system; created by `running`."""

    def __init__(self, stack: Stack, peers: dict[str, subprocess.Popen[bytes]]) -> None:
        self._stack = stack
        self._peers = peers
        self._token: tuple[float, str] = (0.0, "")

    @property
    def url(self) -> str:
        """order-api's own address, which bypasses the proxy."""
        return next(str(s["url"]) for s in self._stack.file["services"] if s["name"] == "order-api")

    def client(self) -> dict[str, str]:
        """Return the environment variables with which a program connects to MongoDB and Kafka."""
        return self._stack.client("admin")

    def servers(self) -> dict[str, list[int]]:
        """Return the process ids of MongoDB and Kafka, by group."""
        return {"mongod": [self._stack.pids["mongodb-0"]], "broker": [self._stack.pids["kafka-0"]]}

    def watched(self, peer: Peer | None) -> dict[str, list[int]]:
        """Return the ids of the processes that handle an order of `peer` (None: Retail Orders), by group."""
        pids = self._stack.pids
        app = [self._peers[peer.name].pid] if peer else [pids["order-api-0"]]
        groups = {"app": app} | self.servers()
        return groups if peer else groups | {"processor": [pids["order-processor-0"]]}

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


@contextmanager
def running(root: Path, peers: Iterable[Peer]) -> Iterator[System]:
    """Start the stack and the peers, and stop them at the end; the caller removes the folder `root`."""
    options = StackOptions(root=root, ports="free", counts={"order-api": 1}, extra_env=EXTRA)
    with ExitStack() as ends, Stack(options) as stack:
        _create_topic(stack.client("admin"))
        processes = {peer.name: ends.enter_context(_peer(peer, stack.client("admin"), root)) for peer in peers}
        for peer in peers:
            _await(peer, processes[peer.name])
        yield System(stack, processes)
        ends.close()


@contextmanager
def _peer(peer: Peer, client: dict[str, str], root: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = root / f"{peer.port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(peer.command, env=peer.environment(client), stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def _await(peer: Peer, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    order = {"userid": USER, "cost": "1.00", "orderitems": ["tea"]}
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.post(f"http://127.0.0.1:{peer.port}/order", json=order, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"{peer.name} does not answer on port {peer.port}")


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
    admin.create_topics([NewTopic(TOPIC, 6, 1)])[TOPIC].result(START_SECONDS)


def machine() -> str:
    """Return one line about this machine, for the report."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"
