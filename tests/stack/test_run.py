"""`local-stack run` as a person starts, watches, breaks and ends it: a real system in a folder and on ports of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from local_stack import ports
from support import wait
from support.customer import Customer, https

COMMAND = Path(sys.executable).parent / "local-stack"
READY_SECONDS = 150
KINDS = ["order-api", "auth-api", "order-processor"]


class Run:
    """One run of the command, in a process group of its own, as a shell starts it."""

    def __init__(self, root: Path, offset: int, *arguments: str) -> None:
        self.root = root
        self.output = root.with_suffix(".out")
        command = [COMMAND, "run", "--root", root, "--port-offset", str(offset), *arguments]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, process_group=0)

    def ready(self) -> "Run":
        wait.until(lambda: self.said("Ctrl-C") or self.process.poll() is not None, "the summary", seconds=READY_SECONDS)
        assert self.process.poll() is None, self.output.read_text()
        return self

    def said(self, text: str) -> bool:
        return text in self.output.read_text()

    @property
    def file(self) -> dict[str, Any]:
        document: dict[str, Any] = read_json(self.root / "stack.json")
        return document

    @property
    def pids(self) -> dict[str, int]:
        """The process of each part, as stack.json has it."""
        stack = self.file
        services = {f"{s['name']}-{s['replica']}": s["pid"] for s in stack["services"]}
        return services | {kind: stack[kind]["pid"] for kind in ("mongodb", "kafka", "edge")}

    def customer(self) -> Customer:
        return Customer(https(self.file["base_url"], self.file["ca"]))

    def family(self) -> list[psutil.Process]:
        """The command's process and all that it has started and its children have started."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(40)
