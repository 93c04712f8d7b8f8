"""The sources of the command's settings, and that errors show no secret."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from retail_cli import settings
from retail_cli.local_files import LOCAL_ENV_FILE
from retail_cli.main import app
from shared.config.settings import SettingsError, load
from support.pki import authority

PASSWORD = "s3cret-of-the-operator"


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority())
    return path


@pytest.fixture
def lines(ca: Path) -> dict[str, str]:
    return {
        "MONGODB_URI": f"mongodb://operator:{PASSWORD}@127.0.0.1:1/?authSource=retail",
        "MONGODB_CA_FILE": str(ca),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA_USERNAME": "operator",
        "KAFKA_PASSWORD": PASSWORD,
        "KAFKA_CA_FILE": str(ca),
    }


def write(path: Path, lines: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# the operator\n\n" + "".join(f"{name}={value}\n" for name, value in lines.items()))
    return path


def test_values_in_a_settings_file_may_contain_equal_signs(tmp_path: Path, lines: dict[str, str]) -> None:
    read = settings.parse(write(tmp_path / "operator.env", lines))

    assert read == lines
    assert load(settings.OperatorSettings, read).mongodb_database == "retail"


def test_named_settings_file_overrides_the_environment(tmp_path: Path, lines: dict[str, str]) -> None:
    path = write(tmp_path / "operator.env", lines)

    assert settings.choose(path, {"KAFKA_USERNAME": "another"}, tmp_path) == lines


def test_local_stack_is_used_only_without_settings_in_the_environment(tmp_path: Path, lines: dict[str, str]) -> None:
    write(tmp_path / LOCAL_ENV_FILE, lines)

    assert settings.choose(None, {"HOME": "/"}, tmp_path) == lines
    assert settings.choose(None, {}, tmp_path / "docs/decisions") == lines
    assert settings.choose(None, {"MONGODB_URI_FILE": "/x"}, tmp_path) == {"MONGODB_URI_FILE": "/x"}


def test_invalid_line_is_named_by_number_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "operator.env"
    path.write_text(f"A=1\n{PASSWORD}\n")

    with pytest.raises(SettingsError, match=r"line 2: must be NAME=value") as caught:
        settings.parse(path)

    assert PASSWORD not in str(caught.value)


def test_error_of_missing_settings_names_the_option_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(app, ["orders", "show", "o1"])

    assert result.exit_code == 2
    assert "MONGODB_URI: is missing" in result.stderr
    assert "KAFKA_CA_FILE: is missing" in result.stderr
    assert "--env-file FILE" in result.stderr


@pytest.mark.parametrize("uri", [f"http://operator:{PASSWORD}@x", f"mongodb://operator:{PASSWORD}@a:b:c/"])
def test_invalid_mongodb_uri_is_rejected_without_showing_the_password(
    tmp_path: Path, lines: dict[str, str], uri: str
) -> None:
    path = write(tmp_path / "operator.env", lines | {"MONGODB_URI": uri})

    result = CliRunner().invoke(app, ["--env-file", str(path), "outbox", "status"])

    assert result.exit_code == 2
    assert PASSWORD not in result.output
