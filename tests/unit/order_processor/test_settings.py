"""order-processor's settings."""

from pathlib import Path

import pytest

from order_processor.settings import Settings
from shared.config.settings import SettingsError
from support.pki import authority


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "ca.pem").write_bytes(authority())
    return {
        "MONGODB_URI": "mongodb://user:secret-one@localhost",
        "MONGODB_CA_FILE": str(tmp_path / "ca.pem"),
        "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
        "KAFKA_USERNAME": "order-processor",
        "KAFKA_PASSWORD": "secret-two",
        "KAFKA_CA_FILE": str(tmp_path / "ca.pem"),
    }


def test_unset_variables_get_their_defaults(environ: dict[str, str]) -> None:
    settings = Settings.from_env(environ)

    assert settings.admin_bind == ("127.0.0.1", 9090)
    assert (settings.group_protocol, settings.refused_items, settings.reconcile_seconds) == ("consumer", (), 10)


def test_refused_items_are_separated_by_commas(environ: dict[str, str]) -> None:
    settings = Settings.from_env(environ | {"PROCESSOR_REFUSED_ITEMS": "plum, live shark,"})

    assert settings.refused_items == ("plum", "live shark")


def test_error_names_every_bad_variable(environ: dict[str, str]) -> None:
    bad = {"KAFKA_GROUP_PROTOCOL": "new", "RECONCILE_INTERVAL_SECONDS": "0", "LOG_LEVEL": "loud"}

    with pytest.raises(SettingsError) as caught:
        Settings.from_env(environ | bad)

    assert all(name in str(caught.value) for name in bad)


def test_repr_hides_secrets(environ: dict[str, str]) -> None:
    assert "secret-" not in repr(Settings.from_env(environ))
    assert "secret-" not in repr(Settings.from_env(environ).kafka)
