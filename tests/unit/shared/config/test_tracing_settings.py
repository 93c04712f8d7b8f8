"""The values that tracing variables accept, and what their errors show."""

from pathlib import Path

import pytest

from shared.config.settings import SettingsError, load
from shared.config.tracing_settings import TracingSettings


def settings(**values: str) -> TracingSettings:
    return load(TracingSettings, values)


def test_tracing_is_off_by_default() -> None:
    assert (settings().otlp_endpoint, settings().otlp_ca_file, settings().trace_ratio) == ("", None, 0.1)


def test_exporter_headers_are_decoded_and_hidden_from_repr(tmp_path: Path) -> None:
    secret = tmp_path / "headers"
    secret.write_text("api-key=s%2Cecret, X-Scope = retail\n")
    read = settings(OTEL_EXPORTER_OTLP_HEADERS_FILE=str(secret))

    assert read.otlp_headers == {"api-key": "s,ecret", "x-scope": "retail"}
    assert "ecret" not in repr(read)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:hunter2@collector"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.1"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ("OTEL_TRACES_SAMPLER_ARG", "all"),
        ("OTEL_SDK_DISABLED", "maybe"),
    ],
)
def test_error_names_the_invalid_variable_and_quotes_no_secret(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings(**{name: value})

    assert str(error.value).startswith(f"{name}: ")
    assert "hunter2" not in str(error.value)
