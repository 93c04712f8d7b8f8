"""The settings that several services share; each service adds its own in its settings.py."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from shared.config.mongo_uri import mongo_uri
from shared.config.settings import address, boolean, ca_file, database_name, env, integer, load, settings
from shared.config.tracing_settings import TracingSettings
from shared.telemetry import log


def loopback(text: str) -> tuple[str, int] | None:
    """Parse `IP:port` of a loopback address; an empty text means None."""
    if not text:
        return None
    host, port = address(text)
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(f"must be a loopback address such as 127.0.0.1:9091, not {text!r}")
    return host, port


@settings
class MongoSettings:
    """Server and credentials; the connection always uses TLS."""

    mongodb_uri: str = env(
        "MONGODB_URI", mongo_uri, secret=True, help="MongoDB connection string with user and password"
    )
    mongodb_ca_file: Path = env("MONGODB_CA_FILE", ca_file, help="CA bundle used to verify MongoDB")
    mongodb_database: str = env("MONGODB_DATABASE", database_name, default="retail", help="database name")


@settings
class LogSettings:
    """The log level."""

    log_level: str = env("LOG_LEVEL", log.level, default="info", help="debug, info, warning or error")


@settings
class ServiceSettings(TracingSettings, LogSettings, MongoSettings):
    """Settings of every service: MongoDB, log, traces, admin port."""

    admin_bind: tuple[str, int] = env(
        "ADMIN_BIND", address, default="127.0.0.1:9090", help="address of the admin port (/livez, /readyz, /metrics)"
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; raise SettingsError, which names every missing or invalid variable."""
        return load(cls, environ)


@settings
class ServerSettings(LogSettings):
    """Settings of gunicorn itself, which `shared.http.gunicorn_conf` reads before a service starts."""

    http_bind: tuple[str, int] = env(
        "HTTP_BIND", address, default="127.0.0.1:8080", help="address of the API, plain HTTP, behind the TLS proxy"
    )
    http_threads: int = env("HTTP_THREADS", integer(1, 256), default="32", help="concurrent requests per replica")


@settings
class HttpSettings(ServerSettings, ServiceSettings):
    """Settings of an HTTP API."""

    trusted_proxies: int = env("TRUSTED_PROXIES", integer(0, 8), default="1", help="trusted X-Forwarded-For hops")
    proxy_status_bind: tuple[str, int] | None = env(
        "PROXY_STATUS_BIND",
        loopback,
        default="",
        help="UDP address on loopback to which the proxy sends the status of its own responses; empty: not counted",
    )
    tracing_trust_clients: bool = env(
        "TRACING_TRUST_CLIENTS",
        boolean,
        default="false",
        help="true: continue a client's trace and its decision to record; false: begin a new trace that links to it",
    )
