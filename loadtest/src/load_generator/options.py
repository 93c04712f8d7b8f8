import ipaddress
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

MAX_COUNT = 10_000_000
MAX_DURATION_SECONDS = 7 * 24 * 3600
MAX_RATE = 10_000


class InvalidOptions(ValueError):  # noqa: N818 - a state of the options
    """An option has a value that is not allowed; the message names the option and the reason."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The load to generate. It stops after `count` orders or `duration` seconds, whichever comes first.

    `rate` is orders per second, 0 for as fast as `in_flight` requests at a time allow. `seed` decides every order's
    content and every back-off; `run` is part of the user names, so that one database can hold many runs.
    The run stops if a registration gets no response or no token for `start_seconds`.
    """

    base_url: str
    ca_file: Path | None = None
    ledger: Path
    rate: float = 50.0
    count: int | None = None
    duration: float | None = None
    users: int = 4
    items: int = 3
    seed: int = field(default_factory=lambda: secrets.randbelow(2**32))
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    in_flight: int = 64
    start_seconds: float = 60.0
    request_seconds: float = 10.0
    settle_seconds: float = 120.0
    verify_seconds: float = 60.0
    read_back: float = 0.05
    keep_alive: bool = True
    allow_remote: bool = False

    def __post_init__(self) -> None:
        if self.count is None and self.duration is None:
            raise InvalidOptions("set --count or --duration")
        _within("count", self.count, 1, MAX_COUNT)
        _within("duration", self.duration, 0.1, MAX_DURATION_SECONDS)
        _within("rate", self.rate, 0, MAX_RATE)
        _within("users", self.users, 1, 1000)
        _within("items", self.items, 1, 100)
        _within("in flight", self.in_flight, 1, 1024)
        if not (self.allow_remote or is_loopback(base_url=self.base_url)):
            raise InvalidOptions(
                f"{self.base_url} is not on this machine: load on another machine needs --allow-remote"
            )


def is_loopback(*, base_url: str) -> bool:
    """Return whether the host in `base_url` is `localhost` or a loopback address. No name is resolved."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _within(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidOptions(f"{name} must be from {low:g} to {high:g}, not {value:g}")
