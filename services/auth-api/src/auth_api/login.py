"""A login: from a name and a password to success or an exception."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from auth_api.accounts import normalize_password
from auth_api.passwords import Passwords, Slots
from auth_api.throttle import Throttle
from shared.telemetry import log

logger = log.get(__name__)


class WrongCredentials(Exception):  # noqa: N818 - a state of the request
    """The user does not exist or the password is wrong: the client does not learn which."""


class Users(Protocol):
    """The users, as a login needs them."""

    def password_hash(self, name: str) -> str | None:
        """Return the hash of the user's password, or None if the user does not exist."""

    def replace_hash(self, name: str, old: str, new: str) -> None:
        """Replace the hash `old` by `new`, a hash of the same password."""


@dataclass(frozen=True)
class Login:
    """Checks credentials. Fails closed: if the throttle or the user's record cannot be read, the login fails."""

    users: Users
    throttle: Throttle
    passwords: Passwords
    slots: Slots

    def check(self, name: str, password: str, address: str) -> None:
        """Return if the password is correct; otherwise raise WrongCredentials, TooManyFailures or Busy.

        An attempt is counted when it has a slot and before its password is checked, so that at any time at most one
        correct login per slot counts as failed.
        """
        normalized = normalize_password(password)
        if normalized is None:
            raise WrongCredentials  # no stored password is that long, so there is nothing to hash
        self.throttle.check(name, address)
        with self.slots.hold():
            stored = self.users.password_hash(name)  # first: if this fails, the attempt must not count
            attempt = self.throttle.begin(name, address)
            if not self.passwords.verify(stored, normalized) or stored is None:
                raise WrongCredentials
            _try("login_count_reset_failed", lambda: self.throttle.discard(attempt))
            _try("login_address_not_recorded", lambda: self.throttle.remember(name, address))
            if self.passwords.is_outdated(stored):
                new = self.passwords.hash(normalized)
                _try("password_rehash_failed", lambda: self.users.replace_hash(name, stored, new))


def _try(event: str, action: Callable[[], None]) -> None:
    """Run an action whose failure must not fail the login."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever the store raises
        logger.warning(event, error=type(error).__name__)
