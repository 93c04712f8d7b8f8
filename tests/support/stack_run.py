"""`local-stack run` as a child of a shell."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from local_stack import launch, ports
from local_stack.services import is_ready
from support import wait
from support.customer import Customer, https

if TYPE_CHECKING:
    import httpx

COMMAND = Path(sys.executable).parent / "local-stack"


class StackRun:
    """A shell that runs the command as its child, both in a new process group, as with `make run`.

    The shell is killed if this process dies; the command then stops by itself.
    """

    def __init__(self, root: Path, offset: int, *arguments: str) -> None:
        self.root = root
        self.output = root.with_suffix(f".{offset}.out")
        command = [str(COMMAND), "run", "--root", str(root), "--port-offset", str(offset), *arguments]
        with self.output.open("wb") as output:
            # without a second command, the shell would exec the first one instead of running it as a child
            script = f"{shlex.join(command)}; exit $?"
            shell = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), "/bin/sh", "-c", script]
            self.shell = subprocess.Popen(shell, stdout=output, stderr=output, process_group=0)
        self.pid = wait.until(psutil.Process(self.shell.pid).children, "the command")[0].pid
        self._customers: list[httpx.Client] = []

    def await_line(self, text: str, seconds: float = 150) -> "StackRun":
        wait.until(lambda: text in self.output.read_text() or self.shell.poll() is not None, text, seconds=seconds)
        assert self.shell.poll() is None, self.output.read_text()
        return self

    @property
    def file(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.root / "stack.json").read_text())
        return document

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each part, from stack.json."""
        stack = self.file
        services = {f"{s['name']}-{s['replica']}": s["pid"] for s in stack["services"]}
        return services | {kind: stack[kind]["pid"] for kind in ("mongodb", "kafka", "proxy", "console")}

    def healed(self, part: str) -> bool:
        """Return for a service whether it is ready again, for any other part whether it listens on its port again."""
        stack = self.file
        addresses = {
            "proxy": stack["base_url"],
            "console": "/".join(stack["console"]["url"].split("/")[:3]),
            "kafka": stack["kafka"]["bootstrap"],
            "mongodb": stack["mongodb"]["uri"].partition("/retail")[0],
        }
        if address := addresses.get(part):
            return ports.listening(int(address.rpartition(":")[2]))
        service = next(s for s in stack["services"] if part == f"{s['name']}-{s['replica']}")
        return is_ready(check_url=f"{service['admin_url']}/readyz")

    def customer(self) -> Customer:
        client = https(self.file["base_url"], self.file["ca"])
        self._customers.append(client)
        return Customer(client)

    def family(self) -> list[psutil.Process]:
        """The process of the command and all its descendants."""
        own = psutil.Process(self.pid)
        return [own, *own.children(recursive=True)]

    def end(self) -> None:
        for client in self._customers:
            client.close()
        if self.shell.poll() is None:
            os.killpg(self.shell.pid, signal.SIGINT)
        self.shell.wait(40)


def free_offset() -> int:
    """Return a port offset at which all ports of a stack are free."""
    usual = [port + n for port in ports.USUAL.values() for n in range(3)]
    return wait.until(
        lambda: next((o for o in range(1000, 12_000, 137) if not any(ports.in_use(p + o) for p in usual)), None),
        "free ports",
    )


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def runs(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        return not gone(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False
