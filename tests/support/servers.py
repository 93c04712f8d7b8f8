"""Clients of the real servers, as the users that the system has there, and processes of a service beside them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pymongo.database import Database

from local_stack.stack import Stack
from shared import kafka, mongo
from shared.mongo import Document
from support import scrape
from support.wait import until


@contextmanager
def database(stack: Stack, user: str) -> Iterator[Database[Document]]:
    """The database as `user` has it."""
    client = stack.client(user)
    ca = Path(client["MONGODB_CA_FILE"])
    found = mongo.connect(client["MONGODB_URI"], ca_file=ca, database=client["MONGODB_DATABASE"], app_name="t", pool=4)
    yield found
    found.client.close()


def connection(stack: Stack, user: str) -> kafka.Connection:
    """Return how to reach Kafka as `user`: a service's name, or operator."""
    client = stack.client(user)
    return kafka.Connection(
        bootstrap_servers=client["KAFKA_BOOTSTRAP_SERVERS"],
        username=client["KAFKA_USERNAME"],
        password=client["KAFKA_PASSWORD"],
        ca_file=Path(client["KAFKA_CA_FILE"]),
        client_id="test",
    )


class ProcessorProcess:
    """One process of order-processor, on a free admin port. Leaving the context kills it if it still runs."""

    def __init__(self, stack: Stack, log: Path, **environ: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.admin_url = f"http://127.0.0.1:{port}"
        self.log = log
        own = {"ADMIN_BIND": f"127.0.0.1:{port}", "RECONCILE_INTERVAL_SECONDS": "1"}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "order_processor.main"],
                env={"PATH": os.environ["PATH"], **stack.client("order-processor"), **own, **environ},
                stdout=output,
                stderr=output,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    def await_assignment(self) -> Self:
        """Wait until it holds partitions."""
        until(lambda: "partitions_assigned" in self.log.read_text() or None, "an assignment", seconds=60)
        return self

    def is_ready(self) -> bool:
        """Tell whether it says that it can serve."""
        return scrape.ready(self.admin_url)

    def count(self, name: str, *labels: str) -> float:
        """Return the value of one of its metrics."""
        return scrape.samples(self.admin_url, name).get(labels, 0.0)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait(10)

    def stop(self, *, seconds: float = 30) -> int:
        """Ask it to end; return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def await_end(self, *, seconds: float = 60) -> int:
        """Wait until it has ended by itself; return its exit code."""
        return self._process.wait(seconds)
