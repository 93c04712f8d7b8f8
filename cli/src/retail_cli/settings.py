"""Where the operator's command connects to: the same variables as the services, from one place only."""

from collections.abc import Mapping
from pathlib import Path

from shared.settings import SettingsError, env, file, settings, variables

LOCAL_ENV_FILE = Path(".local/clients/operator.env")


@settings
class OperatorSettings:
    """What the variables say."""

    mongodb_uri: str = env("MONGODB_URI", secret=True, help="MongoDB's address with the operator's name and password")
    mongodb_ca_file: Path = env("MONGODB_CA_FILE", file, help="certificate authority that MongoDB's is checked against")
    mongodb_database: str = env("MONGODB_DATABASE", default="retail", help="name of the database")
    kafka_bootstrap_servers: str = env("KAFKA_BOOTSTRAP_SERVERS", help="Kafka's addresses, comma-separated")
    kafka_username: str = env("KAFKA_USERNAME", help="the operator's name in Kafka")
    kafka_password: str = env("KAFKA_PASSWORD", secret=True, help="the operator's password in Kafka")
    kafka_ca_file: Path = env("KAFKA_CA_FILE", file, help="certificate authority that Kafka's is checked against")


def choose(env_file: Path | None, environ: Mapping[str, str], folder: Path) -> Mapping[str, str]:
    """Return the variables to load settings from; raise SettingsError for a file that cannot be read.

    Those of `env_file` if given, else `environ` if it has any of ours, else of the local stack's file in `folder`.
    """
    if env_file is None and not any(name in environ for name in _names()) and (folder / LOCAL_ENV_FILE).is_file():
        env_file = folder / LOCAL_ENV_FILE
    return environ if env_file is None else parse(env_file)


def parse(path: Path) -> dict[str, str]:
    """Read a file of NAME=value lines; empty lines and those that begin with # are skipped."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    values = {}
    for number, line in enumerate(lines, start=1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not equals:
            raise SettingsError(f"{path}, line {number}: must be NAME=value")  # never the line: it may be a secret
        values[name.strip()] = value.strip()
    return values


def _names() -> list[str]:
    ours = variables(OperatorSettings)
    return [v.name for v in ours] + [f"{v.name}_FILE" for v in ours if v.secret]
