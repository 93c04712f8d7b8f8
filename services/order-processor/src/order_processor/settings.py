"""The service's settings: every environment variable that it reads."""

from collections.abc import Mapping
from typing import Self

from shared.config.kafka_settings import KafkaSettings
from shared.config.service_settings import ServiceSettings
from shared.config.settings import env, integer, load, settings, words

GROUP_PROTOCOLS = ("consumer", "classic")


def group_protocol(text: str) -> str:
    """Parse `consumer` (KIP-848, brokers from 4.0) or `classic`."""
    if text not in GROUP_PROTOCOLS:
        raise ValueError(f"must be consumer or classic, not {text!r}")
    return text


@settings
class Settings(KafkaSettings, ServiceSettings):
    """The settings of order-processor; create them with `from_env`."""

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

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; raise SettingsError naming every missing or bad variable."""
        return load(cls, environ)
