"""A login, from a name and a password to a yes or no."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from auth_api.accounts import normal_password
from auth_api.passwords import Passwords, Slots
from auth_api.throttle import Throttle
from shared.telemetry import log

logger = log.get(__name__)


class WrongCredentials(Exception):  # noqa: N818 - what happened
    """There is no such user, or the password is another: nobody learns which."""


class Users(Protocol):
    """The users, as a login sees them."""

    def password_hash(self, name: str) -> str | None:
        """Return the hash of the user's password, None if there is no such user."""

    def replace_hash(self, name: str, old: str, new: str) -> None:
        """Store another hash of the same password."""


@dataclass(frozen=True)
class Login:
    """What a login needs. Fails closed: without the throttle's count or the user's record, nobody gets in."""

    users: Users
    throttle: Throttle
    passwords: Passwords
    slots: Slots

    def check(self, name: str, password: str, address: str) -> None:
        """Return if the password is the user's; raise WrongCredentials, TooManyFailures or Busy if not.

        The attempt is counted only once it holds a slot, so that no more attempts are in hand than slots.
        """
        normal = normal_password(password)
        if normal is None:
            raise WrongCredentials  # nobody has one so long: no need to hash it
        self.throttle.check(name, address)
        with self.slots.hold():
            stored = self.users.password_hash(name)  # before the attempt counts: no answer is no guess
            attempt = self.throttle.begin(name, address)
            if not self.passwords.matches(stored, normal) or stored is None:
                raise WrongCredentials
            _try("login_count_reset_failed", lambda: self.throttle.forgive(attempt))
            if self.passwords.is_outdated(stored):
                new = self.passwords.hash(normal)
                _try("password_rehash_failed", lambda: self.users.replace_hash(name, stored, new))


def _try(event: str, action: Callable[[], None]) -> None:
    """Do what is good to do after a login, but no reason to refuse it."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever the store raises
        logger.warning(event, error=type(error).__name__)
