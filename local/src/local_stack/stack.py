"""The whole system on one machine, as a context manager: `with Stack(StackOptions(root=…)) as stack: …`."""

import json
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from local_stack import checks, console, lock, prometheus, proxy, secret_files, stack_file, zipkin
from local_stack.catalog import APIS, CONSUMERS, SERVICES
from local_stack.certificates import Authority, signing_key
from local_stack.errors import StackError
from local_stack.kafka import Kafka
from local_stack.mongod import MongoDB
from local_stack.options import Folders, StackOptions
from local_stack.ports import HOST
from local_stack.process import Part
from local_stack.services import Wiring
from local_stack.supervisor import Supervisor

__all__ = ["Stack", "StackError", "StackOptions"]

READY_SECONDS = 120.0
CLIENTS = (*SERVICES, "operator", "admin")
# The order in which parts stop, and the seconds that each kind has before it is killed: 32 in all.
STOP_ORDER = (
    (("proxy", "console"), 3),
    (APIS, 11),
    (CONSUMERS, 7),
    (("kafka",), 5),
    (("mongodb",), 3),
    (("prometheus", "grafana", "zipkin", "otlp-bridge"), 3),
)


class Stack:
    """Starts all parts on entering and stops them on leaving; data and secrets stay in `options.root`.

    Parts are named mongodb-0, kafka-0, order-api-0, auth-api-0, order-processor-0 and so on, and proxy, console,
    prometheus, grafana, zipkin and otlp-bridge. Every method may be called from any thread while the stack is up.
    `say` is called with a sentence when something happens.
    """

    def __init__(self, options: StackOptions, *, say: Callable[[str], None] = lambda _sentence: None) -> None:
        self._options = options
        self._say = say
        self._root = options.root.resolve()
        self._file = self._root / "stack.json"
        self._complete = False
        self._console_url: str | None = None

    def __enter__(self) -> Self:
        checks.machine()
        checks.create_root(self._root)
        self._lock = lock.acquire(self._root)
        try:
            self._build()
        except BaseException:
            os.close(self._lock)
            raise
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._stop()

    # -- addresses, files and parts --

    @property
    def base_url(self) -> str:
        """The address of the proxy."""
        return self._wiring.base_url()

    @property
    def ca(self) -> str:
        """The file with the local CA's certificate."""
        return str(self._authority.certificate)

    @property
    def parts(self) -> list[str]:
        """The names of all parts, in the order of starting."""
        return list(self._names)

    @property
    def pids(self) -> Mapping[str, int]:
        """The process id of every running part: that of its first process, which is the supervisor's child."""
        return self._supervisor.pids()

    @property
    def file(self) -> dict[str, Any]:
        """The content of stack.json now."""
        document: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        return document

    def client(self, user: str) -> dict[str, str]:
        """Return the variables of clients/USER.env, with which a program connects to MongoDB and Kafka as this user."""
        return self._wiring.client(user)

    def observer_url(self, part: str) -> str:
        """Return the address of prometheus, grafana or zipkin; only with the option `observe`."""
        return f"http://{HOST}:{self._ports[part]}"

    # -- control of single parts, for tests and tools --

    def start(self, part: str, *, wait: bool = True) -> None:
        """Start a part that was stopped or has died. With `wait`, wait until it is ready."""
        self._supervisor.start(part)
        if wait:
            self.await_ready(part)

    def stop(self, part: str, *, seconds: float = 30) -> None:
        """Send the part its stop signal, kill it if it still runs after `seconds`, and do not restart it."""
        self._supervisor.stop(part, seconds=seconds)

    def kill(self, part: str) -> None:
        """Kill the part's process (SIGKILL) and wait for its death. `restart_policy` decides about a restart."""
        self._supervisor.kill(part)

    def signal(self, part: str, signum: signal.Signals) -> None:
        """Send a signal to all processes of the part: SIGSTOP makes it hang, SIGCONT continue."""
        self._supervisor.signal(part, signum)

    def restart_policy(self, part: str, *, enabled: bool) -> None:
        """Set whether the part is restarted when it dies. Restarts are enabled at first, and by each `start`."""
        self._supervisor.restart_policy(part, enabled=enabled)

    def await_ready(self, *parts: str, seconds: float = READY_SECONDS) -> None:
        """Wait until the parts (by default all) are ready. StackError with the end of the log if one is not."""
        self._supervisor.await_ready(*(parts or self._names), seconds=seconds)

    def prepare(self) -> None:
        """Update users, rights and topics from the files in `k8s`, as every start does. Safe to repeat."""
        if self._options.mongo_members:
            self._mongodb.prepare()
        if self._options.brokers:
            self._kafka.prepare()

    # -- starting and stopping --

    def _build(self) -> None:
        options = self._options
        self._folders = folders = Folders(self._root)
        self._ports = options.choose_ports()
        self._authority = authority = Authority(folders.certificates)
        signing_key(folders.keys)
        self._mongodb = MongoDB(folders, authority, port=self._ports["mongodb"], members=options.mongo_members)
        self._kafka = Kafka(folders, authority, ports=self._ports, brokers=options.brokers)
        self._wiring = Wiring(
            folders=folders,
            authority=authority,
            ports=self._ports,
            mongodb=self._mongodb,
            kafka_bootstrap=self._kafka.bootstrap,
        )
        self._names: list[str] = []
        options.check_ports(self._ports)
        for user in CLIENTS:
            lines = "".join(f"{name}={value}\n" for name, value in self.client(user).items())
            secret_files.write(folders.clients / f"{user}.env", lines)
        self._supervisor = Supervisor(lock=self._lock, file=self._file, on_change=self._write_file, say=self._say)

    def _start(self) -> None:
        """Start MongoDB and Kafka together, the APIs once MongoDB is ready, and the other services once both are."""
        mongodb = self._launch(self._mongodb.parts())
        kafka = self._launch(self._kafka.parts())
        self._tracing = zipkin.tracing(self._options.observe, self._folders, self._ports)
        tracing = self._launch(self._tracing.parts)
        if mongodb:
            self.await_ready(*mongodb, *tracing)
            self._mongodb.prepare()
            self._say("MongoDB is ready")
        self._launch([*self._proxy(), *self._replicas(APIS), *self._console()])
        if kafka:
            self.await_ready(*kafka)
            self._kafka.prepare()
            self._say("Kafka is ready")
        self._launch(self._replicas(CONSUMERS))
        self._launch(self._observers())  # last, because Prometheus may have to be downloaded
        self.await_ready(*self._names)
        self._complete = True
        self._write_file()

    def _launch(self, parts: Iterable[Part]) -> list[str]:
        parts = list(parts)
        names = [part.name for part in parts]
        self._supervisor.add(parts)
        self._names += names  # set before the parts run, so that an interrupted start also stops them in order
        self._supervisor.start(*names)
        return names

    def _proxy(self) -> Iterable[Part]:
        counts = {service: self._options.count(service) for service in APIS}
        if any(counts.values()):
            upstreams = {
                service: range(self._ports[service], self._ports[service] + max(1, count))
                for service, count in counts.items()
            }
            yield proxy.part(
                self._folders,
                self._authority,
                port=self._ports["proxy"],
                upstreams=upstreams,
                status_port=self._wiring.proxy_status_port,
                environ=self._options.extra_env.get("proxy", {}),
                links=self._wiring.links(self._options.replicas()),
            )

    def _console(self) -> Iterable[Part]:
        if self._options.console:
            found, self._console_url = console.part(self._folders, port=self._ports["console"], stack_file=self._file)
            yield found

    def _replicas(self, services: Iterable[str]) -> Iterable[Part]:
        return [
            self._wiring.part(replica, {**self._tracing.variables, **self._options.extra_env.get(replica.service, {})})
            for replica in self._options.replicas(services)
        ]

    def _observers(self) -> Iterable[Part]:
        if self._tracing.sentence:
            self._say(self._tracing.sentence)
        if self._options.observe:
            admins = {replica.name: self._wiring.admin_url(replica) for replica in self._options.replicas()}
            yield from prometheus.parts(self._folders, self._ports, admins, self._options.observe, say=self._say)

    def _stop(self) -> None:
        """Remove stack.json, and stop whatever was started, in the order of STOP_ORDER."""
        with ExitStack() as ends:
            ends.callback(os.close, self._lock)
            ends.callback(self._supervisor.close)
            self._complete = False
            self._file.unlink(missing_ok=True)
            for kinds, seconds in STOP_ORDER:
                self._supervisor.stop(*(name for name in self._names if name.startswith(kinds)), seconds=seconds)

    # -- stack.json --

    def _write_file(self) -> None:
        if self._complete:
            replicas = self._options.replicas()
            document = stack_file.describe(self._wiring, replicas, self.pids, ca=self.ca, console=self._console_url)
            secret_files.write(self._file, json.dumps(document, indent=2) + "\n")
