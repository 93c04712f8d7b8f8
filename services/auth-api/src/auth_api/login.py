"""A login: from a name and a password to success or an exception."""

from dataclasses import dataclass
from typing import Protocol

from auth_api.accounts import normalize_password
from auth_api.address_watch import AddressWatch
from auth_api.best_effort import best_effort
from auth_api.passwords import Passwords, UnusableHash
from auth_api.slots import Slots
from auth_api.throttle import Throttle
from shared.http.client_address import limited_address


class WrongCredentials(Exception):  # noqa: N818 - a state of the request
    """The user does not exist or the password is wrong: the client does not learn which."""


class UnusableUser(WrongCredentials):
    """The stored hash is unusable. The client gets the response for a wrong password; the log shows the cause."""


class Users(Protocol):
    """The user operations that a login needs."""

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
    addresses: AddressWatch

    def check(self, name: str, password: str, address: str) -> None:
        """Check the password: return normally if it is correct and the login is allowed.

        Otherwise raise WrongCredentials, TooManyFailures, Busy or StoreUnavailable. An attempt is counted as failed
        after it gets a slot and before its password is checked. A correct login is removed from the counts before its
        slot is free. So, unless MongoDB fails, at most one correct login per slot is counted as failed at any time.
        """
        normalized = normalize_password(password)
        if normalized is None:
            raise WrongCredentials  # no stored password is that long, so there is nothing to hash
        is_known = self.throttle.is_known(name, address)
        self.throttle.check(name, address, is_known=is_known)
        with self.slots.hold(limited_address(address), preferred=is_known):
            # read before the attempt is counted: if the read fails, the attempt must not count as a failed login
            stored = self.users.password_hash(name)
            attempt = self.throttle.begin(name, address, is_known=is_known)
            if not self._verify(stored, normalized) or stored is None:
                raise WrongCredentials
            self.addresses.saw(name, address)
            best_effort("login_count_reset_failed", lambda: self.throttle.discard(attempt))
            best_effort("login_address_not_recorded", lambda: self.throttle.remember(name, address))
            if self.passwords.is_outdated(stored):
                new = self.passwords.hash(normalized)
                best_effort("password_rehash_failed", lambda: self.users.replace_hash(name, stored, new))

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            return self.passwords.verify(stored, password)
        except UnusableHash:
            raise UnusableUser from None
