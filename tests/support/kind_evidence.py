"""Evidence for a failed test under load: failed responses, their causes in pods' logs, the machine's load."""

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.stand_ins.kube import CONTEXT, NAMESPACE, kubectl

SHOWN = 5
OURS = "app.kubernetes.io/instance=retail,app.kubernetes.io/component notin (operator, test)"
# On a fast enough machine, tasks wait for a CPU less than half of the time, and no component restarts.
STARVED_SHARE = 0.5


@dataclass
class PodLogs:
    """Follows the logs of the services' pods in the release, including pods that start later or are deleted."""

    lines: list[tuple[str, str]] = field(default_factory=list)  # (pod name, log line)
    _processes: list["subprocess.Popen[str]"] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Start following the logs."""
        columns = "jsonpath={.metadata.name} {.status.phase}{'\\n'}"
        self._follow(["get", "pods", "--watch", "--selector", OURS, "--output", columns], self._pod)

    def stop(self) -> None:
        """Stop following the logs; the collected lines stay."""
        for process in self._processes:
            process.terminate()
        for process, thread in zip(self._processes, self._threads, strict=True):
            process.wait(timeout=10)
            thread.join(timeout=10)

    def _pod(self, event: str) -> None:
        name, _, phase = event.partition(" ")
        if phase == "Running" and name not in self._known:
            self._known.add(name)
            self._follow(
                ["logs", name, "--follow", "--all-containers", "--since", "1s"],
                lambda line: self.lines.append((name, line)),
            )

    def _follow(self, arguments: list[str], take: Any) -> None:
        command = ["kubectl", "--context", CONTEXT, "--namespace", NAMESPACE, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        thread = threading.Thread(target=_read, args=(process, take), name="logs", daemon=True)
        self._processes.append(process)
        self._threads.append(thread)
        thread.start()


def _read(process: "subprocess.Popen[str]", take: Any) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            take(line.strip())


@dataclass(frozen=True)
class Machine:
    """Counters of this machine's load, and restarts of the cluster's own components."""

    uptime: float
    waited: float  # seconds in which at least one task waited for a CPU
    stolen: float  # CPU seconds that the hypervisor gave to other machines
    restarts: dict[str, int]  # by pod, outside our namespace: on a slow machine a controller restarts

    @classmethod
    def now(cls) -> "Machine":
        """Read the counters."""
        pods = json.loads(kubectl("get", "pods", "--all-namespaces", "--output", "json"))["items"]
        restarts = {
            pod["metadata"]["name"]: sum(
                status["restartCount"] for status in pod["status"].get("containerStatuses", [])
            )
            for pod in pods
            if pod["metadata"]["namespace"] != NAMESPACE
        }
        pressure = Path("/proc/pressure/cpu")
        some = pressure.read_text().splitlines()[0].rpartition("total=")[2] if pressure.exists() else "0"
        steal = Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return cls(uptime, int(some) / 1e6, int(steal) / 100, restarts)

    def verdict(self, before: "Machine") -> str:
        """Return a sentence that says whether the machine was too slow since `before`, with the figures."""
        seconds = self.uptime - before.uptime
        waited, stolen = (self.waited - before.waited) / seconds, (self.stolen - before.stolen) / seconds
        restarted = {name: n - before.restarts.get(name, 0) for name, n in self.restarts.items()}
        lost = {name: n for name, n in restarted.items() if n}
        slow = waited > STARVED_SHARE or lost
        verdict = "the machine was too slow" if slow else "the machine was fast enough"
        return (
            f"{verdict}: tasks waited for a CPU in {waited:.0%} of {seconds:.0f} s, {stolen:.0%} was stolen, "
            f"restarted components: {lost or 'none'}"
        )


@dataclass
class Evidence:
    """The pods' logs and the machine's counters, collected during a test."""

    logs: PodLogs
    before: Machine
    after: Machine | None = None

    def explain(self, ledger: Path) -> str:
        """Return a text with the failed responses in a load's ledger, and what the pods logged about them."""
        assert self.after is not None
        failed = failed_answers(ledger)
        shown = [text for entry in failed[:SHOWN] for text in (json.dumps(entry), *self._log_of(entry))]
        counted = Counter((entry["status"], (entry.get("problem") or {}).get("detail")) for entry in failed)
        events = self._events()
        return "\n".join([
            "", f"{len(failed)} failed answers:", *(f"  {n} x {answer}" for answer, n in counted.most_common()),
            "the first ones, and the lines of the pods' logs about them:", *(f"  {text}" for text in shown),
            "warnings and errors in the pods' logs:", *(f"  {n} x {text}" for text, n in events.most_common(20)),
            self.after.verdict(self.before),
        ])  # fmt: skip

    def _log_of(self, entry: dict[str, Any]) -> list[str]:
        wanted = (entry.get("problem") or {}).get("request_id")
        return [f"  {pod}: {line}" for pod, line in self.logs.lines if wanted and wanted in line]

    def _events(self) -> Counter[str]:
        events: Counter[str] = Counter()
        for pod, line in self.logs.lines:
            entry = parsed(line)
            if entry.get("level") in {"warning", "error", "critical"}:
                what = {key: entry[key] for key in ("event", "status", "error", "code") if key in entry}
                events[f"{pod}: {json.dumps(what)}"] += 1
        return events


def parsed(line: str) -> dict[str, Any]:
    """Return a line of a service's log as a dictionary; {} if the line is not a JSON object."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def failed_answers(ledger: Path) -> list[dict[str, Any]]:
    """Return the ledger's lines about order requests that failed: those with an `outcome` other than ok."""
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    return [line for line in lines if "key" in line and line["outcome"] != "ok"]


@contextmanager
def collected() -> Iterator[Evidence]:
    """Collect evidence until the context ends."""
    evidence = Evidence(PodLogs(), Machine.now())
    evidence.logs.start()
    try:
        yield evidence
    finally:
        evidence.logs.stop()
        evidence.after = Machine.now()
