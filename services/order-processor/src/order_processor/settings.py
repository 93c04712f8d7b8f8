"""The settings of order-processor, read from the environment."""

from shared.config.kafka_settings import KafkaSettings
from shared.config.service_settings import ServiceSettings
from shared.config.settings import env, integer, settings, words

GROUP_PROTOCOLS = ("consumer", "classic")


def group_protocol(text: str) -> str:
    """Parse `consumer` (KIP-848, brokers from 4.0) or `classic`."""
    if text not in GROUP_PROTOCOLS:
        raise ValueError(f"must be consumer or classic, not {text!r}")
    return text


@settings
class Settings(KafkaSettings, ServiceSettings):
    """The environment variables of order-processor."""

    group_protocol: str = env(
        "KAFKA_GROUP_PROTOCOL", group_protocol, default="consumer", help="consumer (KIP-848) or classic"
    )
    refused_items: tuple[str, ...] = env(
        "PROCESSOR_REFUSED_ITEMS", words, default="", help="items whose orders are rejected, comma-separated"
    )
    reconcile_seconds: int = env(
        "RECONCILE_INTERVAL_SECONDS",
        integer(1, 60),
        default="10",
        help="interval of reading the lag and looking for lost events, in seconds",
    )
