"""The settings of the operator's command: the services' variables, all from one source."""

from collections.abc import Mapping
from pathlib import Path

from retail_cli.local_files import LOCAL_ENV_FILE, find_local
from shared.config.kafka_settings import KafkaSettings
from shared.config.service_settings import MongoSettings
from shared.config.settings import SettingsError, settings, variables
from shared.config.settings import load as load_settings

NOT_FOUND = (
    "Call `retail` inside the checkout in which `make run` runs, name a file of settings with --env-file FILE, "
    "or set these variables."
)


@settings
class OperatorSettings(KafkaSettings, MongoSettings):
    """The connections to MongoDB and Kafka."""


def load(env_file: Path | None, environ: Mapping[str, str], folder: Path) -> OperatorSettings:
    """Load the settings from the source that `choose` selects.

    Raise SettingsError if a setting is missing or invalid, or if the file cannot be read.
    """
    values = choose(env_file, environ, folder)
    try:
        return load_settings(OperatorSettings, values)
    except SettingsError as error:
        if any(name in values for name in _names()):
            raise
        raise SettingsError(f"{error}\n{NOT_FOUND}") from None


def choose(env_file: Path | None, environ: Mapping[str, str], folder: Path) -> Mapping[str, str]:
    """Return the variables to load settings from; raise SettingsError for a file that cannot be read.

    They come from `env_file` if given; otherwise from `environ` if it has any variable of the settings; otherwise from
    the local stack's file in `folder` or the nearest folder above it; without such a file, from `environ`.
    """
    if env_file is None and not any(name in environ for name in _names()):
        env_file = find_local(LOCAL_ENV_FILE, folder)
    return environ if env_file is None else parse(env_file)


def parse(path: Path) -> dict[str, str]:
    """Read a file of NAME=value lines; empty lines and those that begin with # are skipped.

    Raise SettingsError if the file cannot be read, or if another line has no `=`.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    values = {}
    for number, line in enumerate(lines, start=1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not equals:
            # the message never quotes the line, which may be a secret
            raise SettingsError(f"{path}, line {number}: must be NAME=value")
        values[name.strip()] = value.strip()
    return values


def _names() -> list[str]:
    known = variables(OperatorSettings)
    return [v.name for v in known] + [f"{v.name}_FILE" for v in known if v.secret]
