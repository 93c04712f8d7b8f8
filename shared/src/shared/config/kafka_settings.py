"""The settings of a Kafka client; a separate module, so that auth-api needs no Kafka client installed."""

from pathlib import Path

from shared import kafka
from shared.config.settings import ca_file, env, servers, settings


@settings
class KafkaSettings:
    """Brokers and credentials; the protocol is always SASL_SSL with SCRAM-SHA-512."""

    kafka_bootstrap_servers: str = env("KAFKA_BOOTSTRAP_SERVERS", servers, help="brokers as host:port, comma-separated")
    kafka_username: str = env("KAFKA_USERNAME", help="Kafka user name")
    kafka_password: str = env("KAFKA_PASSWORD", secret=True, help="Kafka password")
    kafka_ca_file: Path = env("KAFKA_CA_FILE", ca_file, help="CA bundle used to verify the brokers")

    @property
    def kafka(self) -> kafka.Connection:
        """The connection that these settings describe; the user name is also the client id."""
        return kafka.Connection(
            bootstrap_servers=self.kafka_bootstrap_servers,
            username=self.kafka_username,
            password=self.kafka_password,
            ca_file=self.kafka_ca_file,
            client_id=self.kafka_username,
        )
