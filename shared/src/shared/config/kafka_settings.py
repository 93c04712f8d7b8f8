"""The settings of what speaks with Kafka; apart from the others, so that auth-api needs no Kafka client."""

from pathlib import Path

from shared import kafka
from shared.config.settings import env, file, settings


@settings
class KafkaSettings:
    """Where Kafka is, and who we are there: always SASL_SSL with SCRAM-SHA-512."""

    kafka_bootstrap_servers: str = env("KAFKA_BOOTSTRAP_SERVERS", help="host:port of brokers, comma-separated")
    kafka_username: str = env("KAFKA_USERNAME", help="name in Kafka")
    kafka_password: str = env("KAFKA_PASSWORD", secret=True, help="its password")
    kafka_ca_file: Path = env("KAFKA_CA_FILE", file, help="certificate authority that the brokers' are checked against")

    @property
    def kafka(self) -> kafka.Connection:
        """The same as one thing; the name in Kafka is the client's id too."""
        return kafka.Connection(
            bootstrap_servers=self.kafka_bootstrap_servers,
            username=self.kafka_username,
            password=self.kafka_password,
            ca_file=self.kafka_ca_file,
            client_id=self.kafka_username,
        )
