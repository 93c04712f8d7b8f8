"""The service's settings: every environment variable that it reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from shared import kafka, log
from shared.settings import address, env, file, integer, load, settings, words

GROUP_PROTOCOLS = ("consumer", "classic")


def group_protocol(text: str) -> str:
    """Parse `consumer` (KIP-848, brokers from 4.0) or `classic`."""
    if text not in GROUP_PROTOCOLS:
        raise ValueError(f"must be consumer or classic, not {text!r}")
    return text


@settings
class Settings:
    """What order-processor needs to know; made by `from_env` only."""

    log_level: str = env("LOG_LEVEL", log.level, default="info", help="debug, info, warning or error")
    admin_bind: tuple[str, int] = env(
        "ADMIN_BIND", address, default="127.0.0.1:9090", help="host:port of probes and metrics"
    )
    mongodb_uri: str = env("MONGODB_URI", secret=True, help="MongoDB connection string")
    mongodb_ca_file: Path = env("MONGODB_CA_FILE", file, help="certificates that MongoDB's is checked against")
    mongodb_database: str = env("MONGODB_DATABASE", default="retail", help="the database")
    kafka_bootstrap_servers: str = env("KAFKA_BOOTSTRAP_SERVERS", help="host:port of brokers, comma-separated")
    kafka_username: str = env("KAFKA_USERNAME", help="SCRAM user")
    kafka_password: str = env("KAFKA_PASSWORD", secret=True, help="its password")
    kafka_ca_file: Path = env("KAFKA_CA_FILE", file, help="certificates that the brokers' are checked against")
    group_protocol: str = env(
        "KAFKA_GROUP_PROTOCOL", group_protocol, default="consumer", help="consumer (KIP-848) or classic"
    )
    refused_items: tuple[str, ...] = env(
        "PROCESSOR_REFUSED_ITEMS", words, default="", help="items whose orders are refused, comma-separated"
    )
    reconcile_seconds: int = env(
        "RECONCILE_INTERVAL_SECONDS", integer(1, 3600), default="10", help="pause between looks for lost events"
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; raise SettingsError naming every missing or bad variable."""
        return load(cls, environ)

    @property
    def kafka(self) -> kafka.Connection:
        """Where Kafka is, and who we are there."""
        return kafka.Connection(
            bootstrap_servers=self.kafka_bootstrap_servers,
            username=self.kafka_username,
            password=self.kafka_password,
            ca_file=self.kafka_ca_file,
            client_id="order-processor",
        )
