"""The settings that every service reads; each service's own settings.py adds its own."""

from pathlib import Path

from shared.config.settings import address, env, file, integer, settings
from shared.telemetry import log


@settings
class MongoSettings:
    """Where MongoDB is, and who we are there: always TLS."""

    mongodb_uri: str = env("MONGODB_URI", secret=True, help="MongoDB's address with our name and password")
    mongodb_ca_file: Path = env("MONGODB_CA_FILE", file, help="certificate authority that MongoDB's is checked against")
    mongodb_database: str = env("MONGODB_DATABASE", default="retail", help="name of the database")


@settings
class LogSettings:
    """How much is logged."""

    log_level: str = env("LOG_LEVEL", log.level, default="info", help="debug, info, warning or error")


@settings
class ServiceSettings(LogSettings, MongoSettings):
    """What each service has: MongoDB, logs, the admin port."""

    admin_bind: tuple[str, int] = env(
        "ADMIN_BIND", address, default="127.0.0.1:9090", help="where /livez, /readyz and /metrics listen"
    )


@settings
class ServerSettings(LogSettings):
    """What gunicorn needs, before it starts a service: `shared.http.gunicorn_conf` reads them for itself."""

    http_bind: tuple[str, int] = env(
        "HTTP_BIND", address, default="127.0.0.1:8080", help="where the API listens, plain, behind its TLS proxy"
    )
    http_threads: int = env("HTTP_THREADS", integer(1, 256), default="16", help="requests answered at one time")


@settings
class HttpSettings(ServerSettings, ServiceSettings):
    """What an HTTP API has."""

    trusted_proxies: int = env(
        "TRUSTED_PROXIES", integer(0, 8), default="1", help="hops of X-Forwarded-For that are believed"
    )
