"""The settings of traces; their variables have the names from OpenTelemetry's specification."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.config.settings import boolean, ca_file, env, settings


def endpoint(text: str) -> str:
    """Parse the base URL of a collector; an empty text means that there is none."""
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError("must be a URL such as http://collector:4318")
    if parts.username or parts.password:
        raise ValueError("must not contain credentials; put them into OTEL_EXPORTER_OTLP_HEADERS")
    return text


def headers(text: str) -> dict[str, str]:
    """Parse `name=value` pairs, comma-separated and percent-encoded. Errors do not quote the text: it may be secret."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if not all(equals and name.strip() for name, equals, _ in pairs):
        raise ValueError("must be name=value pairs, comma-separated")
    return {unquote(name.strip()).lower(): unquote(value.strip()) for name, _, value in pairs}


def optional_ca_file(text: str) -> Path | None:
    """Parse the path of a file with CA certificates; an empty text means None."""
    return ca_file(text) if text else None


def ratio(text: str) -> float:
    """Parse a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise ValueError(f"must be a number from 0 to 1, not {text!r}")
    return number


@settings
class TracingSettings:
    """The collector that gets the spans, and the share of traces to record. Without an endpoint no span is recorded."""

    otlp_endpoint: str = env(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        endpoint,
        default="",
        help="base URL of an OTLP collector (HTTP); empty: no traces",
    )
    otlp_headers: Mapping[str, str] = env(
        "OTEL_EXPORTER_OTLP_HEADERS", headers, default="", secret=True, help="headers for the collector, name=value, …"
    )
    otlp_ca_file: Path | None = env(
        "OTEL_EXPORTER_OTLP_CERTIFICATE", optional_ca_file, default="", help="CA bundle used to verify the collector"
    )
    trace_ratio: float = env(
        "OTEL_TRACES_SAMPLER_ARG", ratio, default="0.1", help="share of new traces that are recorded, 0 to 1"
    )
    tracing_disabled: bool = env("OTEL_SDK_DISABLED", boolean, default="false", help="true: no traces at all")
