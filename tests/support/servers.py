"""Connections to the real servers with the rights of each user, and order-processor as a process."""

import os
import signal
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
from support.free_ports import free_port
from support.wait import until


@contextmanager
def database(stack: Stack, user: str) -> Iterator[Database[Document]]:
    """Connect to the database as this user."""
    client = stack.client(user)
    ca = Path(client["MONGODB_CA_FILE"])
    found = mongo.connect(client["MONGODB_URI"], ca_file=ca, database=client["MONGODB_DATABASE"], app_name="t", pool=4)
    yield found
    found.client.close()


def connection(stack: Stack, user: str) -> kafka.Connection:
    """Return the Kafka connection of `user`: the name of a service, or operator."""
    client = stack.client(user)
    return kafka.Connection(
        bootstrap_servers=client["KAFKA_BOOTSTRAP_SERVERS"],
        username=client["KAFKA_USERNAME"],
        password=client["KAFKA_PASSWORD"],
        ca_file=Path(client["KAFKA_CA_FILE"]),
        client_id="test",
    )


class ProcessorProcess:
    """An order-processor process with a free admin port. When its context ends, a running process is killed."""

    def __init__(self, stack: Stack, log: Path, **environ: str) -> None:
        port = free_port()
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
        """Wait until partitions are assigned to the process."""
        until(lambda: "partitions_assigned" in self.log.read_text() or None, "an assignment", seconds=60)
        return self

    def is_ready(self) -> bool:
        """Return whether the readiness probe of the process succeeds."""
        return scrape.ready(self.admin_url)

    def count(self, name: str, *labels: str) -> float:
        """Return the value of a metric for these label values, or 0."""
        return scrape.samples(self.admin_url, name).get(labels, 0.0)

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self._process.kill()
        self._process.wait(10)

    def stop(self, *, seconds: float = 30) -> int:
        """Send SIGTERM; return the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def await_exit(self, *, seconds: float = 60) -> int:
        """Wait until the process exits by itself; return the exit code."""
        return self._process.wait(seconds)
