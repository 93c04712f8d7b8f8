"""The environment variables of order-api."""

from pathlib import Path

import pytest

from shared.config.settings import SettingsError
from support.order_api import settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_JWKS_URL", "http://edge/.well-known/jwks.json"),
        ("AUTH_JWKS_CA_FILE", "/nowhere/ca.pem"),
        ("ORDERS_REQUIRE_TOKEN", "perhaps"),
        ("ORDERS_CURRENCIES", "usd"),
        ("ORDERS_CURRENCIES", " , "),
        ("ORDERS_CURRENCIES", "USD,JPY"),
        ("ORDERS_CURRENCIES", "KWD"),
        ("ORDERS_CURRENCIES", "XAU"),
        ("ORDERS_CURRENCIES", "ABC"),
        ("KAFKA_BOOTSTRAP_SERVERS", ""),
    ],
)
def test_error_names_the_invalid_variable(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings(tmp_path, **{name: value})


def test_defaults_require_a_token_and_accept_usd(tmp_path: Path) -> None:
    assert settings(tmp_path).require_token
    assert settings(tmp_path).currencies == ("USD",)


def test_secrets_are_hidden_from_repr(tmp_path: Path) -> None:
    shown = repr(settings(tmp_path, KAFKA_PASSWORD="hunter2", MONGODB_URI="mongodb://u:hunter2@x"))

    assert "hunter2" not in shown
    assert "hunter2" not in repr(settings(tmp_path, KAFKA_PASSWORD="hunter2").kafka)
