"""The settings of order-api, read from the environment."""

from pathlib import Path

from order_api.currencies import TWO_DECIMALS
from order_api.rate_limit import Rate
from shared.config.kafka_settings import KafkaSettings
from shared.config.service_settings import HttpSettings
from shared.config.settings import boolean, ca_file, env, integer, settings, words


def currencies(text: str) -> tuple[str, ...]:
    """Parse ISO 4217 codes of currencies with two decimals; the first is the default."""
    codes = words(text)
    if not codes:
        raise ValueError("must name at least one currency, such as USD,EUR")
    if others := [code for code in codes if code not in TWO_DECIMALS]:
        raise ValueError(f"must be ISO 4217 codes of currencies with two decimals, not {', '.join(others)}")
    return codes


def https(text: str) -> str:
    """Parse a URL that starts with https://."""
    if not text.startswith("https://"):
        raise ValueError(f"must start with https://, not {text!r}")
    return text


@settings
class Settings(KafkaSettings, HttpSettings):
    """The environment variables of order-api."""

    jwks_url: str = env("AUTH_JWKS_URL", https, help="URL of auth-api's public keys (JWKS)")
    jwks_ca_file: Path = env("AUTH_JWKS_CA_FILE", ca_file, help="CA bundle used to verify AUTH_JWKS_URL")
    jwks_refresh_seconds: int = env(
        "AUTH_JWKS_REFRESH_SECONDS",
        integer(1, 20),
        default="20",
        help="seconds between fetches of the public keys; a revoked key is rejected after at most 10 s more",
    )
    issuer: str = env("AUTH_ISSUER", default="retail-orders", help="`iss` of the tokens")
    audience: str = env("AUTH_AUDIENCE", default="retail-orders", help="`aud` of the tokens")
    require_token: bool = env(
        "ORDERS_REQUIRE_TOKEN",
        boolean,
        default="true",
        help="false: anyone may place an order for any userid without a token; reading always needs one",
    )
    currencies: tuple[str, ...] = env(
        "ORDERS_CURRENCIES",
        currencies,
        default="USD",
        help="ISO 4217 codes with two decimals; the first is the default",
    )
    orders_rate: Rate = env(
        "RATE_LIMIT_ORDERS", Rate.parse, default="50/100", help="orders of one user per second / at once, per replica"
    )
    reads_rate: Rate = env(
        "RATE_LIMIT_READS", Rate.parse, default="100/200", help="reads of one user per second / at once, per replica"
    )
    invalid_tokens_rate: Rate = env(
        "RATE_LIMIT_INVALID_TOKENS",
        Rate.parse,
        default="10/50",
        help="invalid tokens from one address per second / at once, per replica",
    )
    one_cpu: bool = env(
        "ONE_CPU",
        boolean,
        default="true",
        help="keep all threads of a replica on one CPU, the one with the most free time; false: leave it to the kernel",
    )
