"""A bad CA file, whichever variable names it, is reported in one sentence before a client reads it."""

import dataclasses
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auth_api.settings import Settings as AuthSettings
from order_api.settings import Settings as OrderSettings
from order_processor.settings import Settings as ProcessorSettings
from retail_cli.settings import OperatorSettings
from shared.config.settings import SettingsError, ca_file, load
from support.pki import authority

SETTINGS: tuple[type[Any], ...] = (AuthSettings, OrderSettings, ProcessorSettings, OperatorSettings)
VARIABLES = {
    (cls, item.metadata["env"])
    for cls in SETTINGS
    for item in dataclasses.fields(cls)
    if item.metadata["env"].endswith(("CA_FILE", "CERTIFICATE"))
}


def nothing(_path: Path) -> None:
    """Create no file."""


def private_key(path: Path) -> None:
    path.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


def test_exactly_four_variables_name_a_ca_file() -> None:
    assert {variable for _, variable in VARIABLES} == {
        "AUTH_JWKS_CA_FILE",
        "KAFKA_CA_FILE",
        "MONGODB_CA_FILE",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
    }


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (nothing, "file '{path}' does not exist"),
        (Path.mkdir, "file '{path}' does not exist"),
        (Path.touch, "'{path}' contains no valid CA certificate"),
        (lambda path: path.write_bytes(b"\xff garbage"), "'{path}' contains no valid CA certificate"),
        (private_key, "'{path}' contains no valid CA certificate"),
    ],
    ids=["missing", "a directory", "empty", "garbage", "a private key"],
)
@pytest.mark.parametrize(("cls", "variable"), sorted(VARIABLES, key=str))
def test_bad_ca_file_is_named_in_one_sentence(
    tmp_path: Path, cls: type[Any], variable: str, make: Callable[[Path], object], sentence: str
) -> None:
    path = tmp_path / "ca.pem"
    make(path)

    with pytest.raises(SettingsError) as caught:
        load(cls, {variable: str(path)})

    assert f"{variable}: {sentence.format(path=path)}" in str(caught.value).splitlines()


@pytest.mark.parametrize(("cls", "variable"), sorted(VARIABLES, key=str))
def test_ca_file_with_a_certificate_is_accepted(tmp_path: Path, cls: type[Any], variable: str) -> None:
    (tmp_path / "ca.pem").write_bytes(authority())

    with pytest.raises(SettingsError) as caught:
        load(cls, {variable: str(tmp_path / "ca.pem"), "LOG_LEVEL": "loud"})

    assert f"{variable}: " not in str(caught.value)


def test_unreadable_ca_file_is_reported_as_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is simulated, because root, which may run the tests, can read every file."""
    (tmp_path / "ca.pem").write_bytes(authority())

    def deny(**_options: object) -> None:
        raise PermissionError

    monkeypatch.setattr(ssl, "create_default_context", deny)

    with pytest.raises(ValueError, match=r"cannot read the file '.*ca\.pem': permission denied"):
        ca_file(str(tmp_path / "ca.pem"))
