"""A running system with everything that a row needs: load, faults in its parts, and verification."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from faults.harness import logs, topic
from faults.harness.checker import Verdict, check
from faults.harness.load import LoadRun, running_load
from faults.harness.probe import probe
from faults.harness.proxied import proxied as with_proxies
from faults.harness.proxy import Proxy
from faults.harness.scale import RAISED_LIMITS, pick
from load_generator import Options
from local_stack.options import StackOptions
from local_stack.stack import Stack
from support import scrape, wait

INSIDE = Path(__file__).parents[1] / "inside"
SERVICES = ("order-api", "auth-api", "order-processor")
Document = dict[str, Any]


class System:
    """A stack with given numbers of replicas. Rows share it, so it is healed after each row; see `heal`."""

    def __init__(self, options: StackOptions, *, seed: int, proxied: bool = False) -> None:
        self.seed = seed
        self.folder = options.root
        self._config_folder = options.root / "fault-config"
        self._config_folder.mkdir(parents=True)
        inside = {"PYTHONPATH": str(INSIDE), "FAULT_CONFIG": str(self._config_folder)}
        print(f"raised limits: {RAISED_LIMITS}")
        extra = {service: {**options.extra_env.get(service, {}), **inside, **RAISED_LIMITS} for service in SERVICES}
        self.stack = Stack(replace(options, extra_env={**extra, "proxy": RAISED_LIMITS}))
        self._proxied = proxied
        self._runs = 0
        self._configured_at: dict[str, int] = {}

    def start(self) -> None:
        """Start all parts, and connect to MongoDB as administrator."""
        with with_proxies() if self._proxied else nullcontext():
            self.stack.__enter__()
        admin = self.stack.client("admin")
        self.mongo: MongoClient[Document] = MongoClient(
            admin["MONGODB_URI"],
            tlsCAFile=admin["MONGODB_CA_FILE"],
            tz_aware=True,
            serverSelectionTimeoutMS=60_000,
            readConcernLevel="majority",
        )
        self.orders = self.mongo["retail"]["orders"]
        self.probe()

    def close(self) -> None:
        """Stop everything."""
        self.mongo.close()
        self.stack.__exit__(None, None, None)
        for proxy in [*self.mongodb_proxies, *self.kafka_proxies]:
            proxy.close()

    @property
    def mongodb_proxies(self) -> list[Proxy]:
        """The proxies between the services and MongoDB's members; none in a system without proxies."""
        return getattr(self.stack._mongodb, "proxies", [])

    @property
    def kafka_proxies(self) -> list[Proxy]:
        """The proxies between the services and the brokers; none in a system without proxies."""
        return getattr(self.stack._kafka, "proxies", [])

    # Load

    @contextmanager
    def load(self, orders: int, *, rate: float, users: int = 4, at_most: float = 900, **more: Any) -> Iterator[LoadRun]:
        """Place orders at `rate` until the context ends and at least `orders` were sent; then settle them.

        No order is placed after `at_most` seconds. The ledger is in the stack's folder; the seed and the name of the
        run are printed. Settling takes at most `settle_seconds`, by default longer than any fault lasts.
        """
        self._runs += 1
        options = Options(
            base_url=self.stack.base_url,
            ca_file=Path(self.stack.ca),
            ledger=self.folder / "ledgers" / f"{self._runs}.jsonl",
            rate=rate,
            duration=at_most,
            users=users,
            seed=self.seed,
            run=f"{self.folder.name}-{self._runs}",
            verify_seconds=0,
            **{"settle_seconds": pick(1800, 300)} | more,
        )
        print(f"load {options.run}: seed {self.seed}, ledger {options.ledger}")
        with running_load(options, orders) as run_:
            yield run_

    # Verification

    def verify(self, run_: LoadRun, *, healed_at: float, within: float, may_fail: bool = False) -> Verdict:
        """Check the run, once no order of it is PLACED or `within` seconds have passed since `healed_at`."""
        account, mine = run_.account(), run_.orders
        while self.orders.count_documents(mine | {"status": "PLACED"}) and time.time() < healed_at + within:
            time.sleep(0.5)
        seen_after = round(max(0.0, time.time() - healed_at), 2)
        events = [e for e in topic.events(self.stack) if e.user in account.users]
        verdict = check(account, list(self.orders.find(mine)), events, healed_at=healed_at, may_fail=may_fail)
        verdict.heal_seconds = min(verdict.heal_seconds, seen_after)  # a wrong clock may have set processed_at
        return verdict

    def prove(
        self, run_: LoadRun, *, figures: Document, healed_at: float, within: float, may_fail: bool = False
    ) -> Verdict:
        """Verify the run and store the figures; fail unless it is ok and recovery took at most `within` seconds."""
        verdict = self.verify(run_, healed_at=healed_at, within=within, may_fail=may_fail)
        figures.update(verdict.figures)
        assert verdict.ok, self.explain(verdict, run_)
        assert verdict.heal_seconds <= within, verdict
        return verdict

    def longest_wait(self, run_: LoadRun) -> float:
        """Return the longest time in seconds that an order of the run took from PLACED to PROCESSED."""
        done = self.orders.find(run_.orders | {"status": "PROCESSED"})
        waits: list[float] = [(d["processed_at"] - d["placed_at"]).total_seconds() for d in done]
        return max(waits)

    def explain(self, verdict: Verdict, run_: LoadRun) -> str:
        """Return a failed verdict as text, with the document, log lines and events of up to three orders."""
        lines = [str(verdict)]
        events = topic.events(self.stack)
        for order in list(verdict.broken)[:3]:
            lines += [f"--- {order}", *logs.history(self.folder, self.orders, order, [run_.ledger])]
            lines += [str(event) for event in events if event.order == order]
        return "\n".join(lines)

    # Faults

    def configure(self, part: str, **faults: Any) -> None:
        """Restart a service process with these faults (see inside/sitecustomize.py), or without any."""
        file = self._config_file(part)
        if faults:
            file.write_text(json.dumps(faults), encoding="utf-8")
        else:
            file.unlink(missing_ok=True)
        self.stack.stop(part)
        self._configured_at[part] = (self.folder / "log" / f"{part}.log").stat().st_size
        self.stack.start(part)

    def kill(self, *parts: str) -> None:
        """Kill these parts in parallel with SIGKILL; the supervisor restarts them."""
        threads = [threading.Thread(target=self.stack.kill, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def keep_down(self, *parts: str) -> None:
        """Kill these parts with SIGKILL; they are not restarted until `heal` or an explicit start."""
        for part in parts:
            self.stack.restart_policy(part, enabled=False)
        self.kill(*parts)

    def pause(self, *parts: str) -> None:
        """Pause the processes of these parts with SIGSTOP."""
        for part in parts:
            self.stack.signal(part, signal.SIGSTOP)

    def resume(self, *parts: str) -> None:
        """Resume paused parts."""
        for part in parts:
            self.stack.signal(part, signal.SIGCONT)

    def log(self, part: str) -> str:
        """Return the part's log since its last `configure`, or the whole log if there was none."""
        with (self.folder / "log" / f"{part}.log").open("rb") as file:
            file.seek(self._configured_at.get(part, 0))
            return file.read().decode(errors="replace")

    def parts(self, prefix: str = "") -> list[str]:
        """Return the names of parts with this prefix, sorted."""
        return sorted(part for part in self.stack.parts if part.startswith(prefix))

    def admin_urls(self, service: str | None = None) -> list[str]:
        """Return the admin addresses of all replicas of a service, or of every service."""
        return [s["admin_url"] for s in self.stack.file["services"] if service in {None, s["name"]}]

    def total(self, service: str, metric: str) -> float:
        """Return the sum of a metric over its labels and the service's replicas."""
        return sum(sum(scrape.samples(url, metric).values()) for url in self.admin_urls(service))

    def samples_of(self, service: str, metric: str, label: str) -> float:
        """Return the sum of a metric's samples with this label value, over the service's replicas."""
        found = [scrape.samples(url, metric) for url in self.admin_urls(service)]
        return sum((value for samples in found for labels, value in samples.items() if label in labels), 0.0)

    def await_ready(self, seconds: float = 90) -> float:
        """Wait until every service is ready; return the seconds it took."""
        began = time.monotonic()
        wait.until(self._all_ready, "every service ready", seconds=seconds, every=0.2)
        return time.monotonic() - began

    def heal(self) -> None:
        """Remove all faults, start all parts, and wait until an order is processed."""
        configured = [part for part in self._services() if self._config_file(part).exists()]
        for proxy in [*self.mongodb_proxies, *self.kafka_proxies]:
            proxy.heal()
        for part in self.stack.parts:
            self.stack.signal(part, signal.SIGCONT)
            self.stack.restart_policy(part, enabled=True)
            self.stack.start(part)
        for part in configured:
            self.configure(part)
        self.await_ready()
        self.probe()

    def probe(self, seconds: float = 60) -> None:
        """Wait until an order is accepted and processed."""
        probe(self.stack.base_url, self.stack.ca, seconds)

    def primary(self) -> str:
        """Return the name of the part that runs MongoDB's primary."""
        address = wait.until(lambda: self.mongo.primary, "a primary", seconds=60)
        return f"mongodb-{(address[1] or 0) - self.stack._ports['mongodb']}"

    def _services(self) -> list[str]:
        return [part for service in SERVICES for part in self.parts(service)]

    def _config_file(self, part: str) -> Path:
        return self._config_folder / f"{self._admin_port(part)}.json"

    def _admin_port(self, part: str) -> int:
        service, _, replica = part.rpartition("-")
        for each in self.stack.file["services"]:
            if each["name"] == service and each["replica"] == int(replica):
                return int(each["admin_url"].rpartition(":")[2])
        raise LookupError(part)

    def _all_ready(self) -> bool:
        try:
            return all(scrape.ready(url) for url in self.admin_urls())
        except OSError:
            return False
