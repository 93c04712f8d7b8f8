"""Settings from the environment: one error names every mistake, and secrets stay hidden."""

from pathlib import Path

import pytest

from shared.config import settings


@settings.settings
class Example:
    level: str = settings.env("LEVEL", default="info", help="how much to say")
    port: int = settings.env("PORT", settings.integer(1, 100), help="where to listen")
    uri: str = settings.env("URI", secret=True, help="where the database is")
    flag: bool = settings.env("FLAG", settings.boolean, default="true", help="whether")


def test_values_are_parsed_and_defaults_fill_the_rest() -> None:
    example = settings.load(Example, {"PORT": "7", "URI": "mongodb://secret", "FLAG": "False"})

    assert (example.level, example.port, example.uri, example.flag) == ("info", 7, "mongodb://secret", False)


def test_white_space_around_a_value_is_removed() -> None:
    assert settings.load(Example, {"PORT": " 7\n", "URI": "\tmongodb://secret "}).uri == "mongodb://secret"


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_blank_value_counts_as_missing(blank: str) -> None:
    assert settings.load(Example, {"PORT": "7", "URI": "x", "LEVEL": blank}).level == "info"
    with pytest.raises(settings.SettingsError, match="URI: is missing"):
        settings.load(Example, {"PORT": "7", "URI": blank})


@pytest.mark.parametrize("text", [",", "a:1,", ",a:1", "a:1,,b:2", "a:1, ,b:2"])
def test_list_of_servers_with_an_empty_entry_is_rejected(text: str) -> None:
    assert settings.servers(" a:1 , b:2") == "a:1,b:2"
    with pytest.raises(ValueError, match="without empty entries"):
        settings.servers(text)


def test_one_error_names_every_missing_and_bad_variable() -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(Example, {"PORT": "700", "FLAG": "maybe"})

    lines = str(caught.value).splitlines()
    assert lines == [
        "PORT: must be a whole number from 1 to 100, not '700'",
        "URI: is missing (where the database is)",
        "FLAG: must be true or false, not 'maybe'",
    ]


def test_repr_hides_a_secret() -> None:
    example = settings.load(Example, {"PORT": "7", "URI": "mongodb://secret"})

    assert "secret" not in repr(example)


def test_secret_can_be_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "uri").write_text("mongodb://from-file\n")

    example = settings.load(Example, {"PORT": "7", "URI_FILE": str(tmp_path / "uri")})

    assert example.uri == "mongodb://from-file"


@pytest.mark.parametrize("path", ["missing", ""])
def test_error_names_the_variable_of_an_unreadable_secret_file(tmp_path: Path, path: str) -> None:
    with pytest.raises(settings.SettingsError, match=r"URI: .*"):
        settings.load(Example, {"PORT": "7", "URI_FILE": str(tmp_path / path)})


def test_secret_given_both_as_variable_and_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "uri").write_text("a")

    with pytest.raises(settings.SettingsError, match="not both"):
        settings.load(Example, {"PORT": "7", "URI": "b", "URI_FILE": str(tmp_path / "uri")})


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("7")

    with pytest.raises(settings.SettingsError, match="PORT: is missing"):
        settings.load(Example, {"PORT_FILE": str(tmp_path / "port"), "URI": "x"})


@pytest.mark.parametrize("text", ["localhost", ":80", "host:", "host:99999", "host:-1", "::1:80", "[host]:80", "[]:80"])
def test_valid_address_is_parsed_and_an_invalid_one_rejected(text: str) -> None:
    assert settings.address("127.0.0.1:80") == ("127.0.0.1", 80)
    assert settings.address("[::1]:80") == ("::1", 80)
    with pytest.raises(ValueError, match="host:port"):
        settings.address(text)


def test_table_of_variables_matches_the_fields() -> None:
    assert [(v.name, v.default, v.secret) for v in settings.variables(Example)] == [
        ("LEVEL", "info", False),
        ("PORT", None, False),
        ("URI", None, True),
        ("FLAG", "true", False),
    ]
