"""Where the operator's command connects to: the same variables as the services, from one place only."""

from collections.abc import Mapping
from pathlib import Path

from shared.config.kafka_settings import KafkaSettings
from shared.config.service_settings import MongoSettings
from shared.config.settings import SettingsError, settings, variables

LOCAL_ENV_FILE = Path(".local/clients/operator.env")


@settings
class OperatorSettings(KafkaSettings, MongoSettings):
    """What the variables say."""


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
