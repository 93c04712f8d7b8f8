"""A registration: from a name and a password to a stored user or an exception."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from auth_api.accounts import Registration, validate
from auth_api.best_effort import best_effort
from auth_api.passwords import Passwords
from auth_api.slots import AddressShare, Slots
from auth_api.throttle import RegistrationLimit, Throttle
from shared.http.client_address import limited_address


class NewUsers(Protocol):
    """The user operation that a registration needs."""

    def add(self, name: str, password_hash: str, now: datetime) -> None:
        """Store a user; raise NameTaken, StoreUnavailable or OutcomeUnknown."""


@dataclass(frozen=True)
class Registrar:
    """Stores users. Registrations have their own hashing `slots`.

    `share` limits how many registrations of one address hold a slot or wait for one at the same time.
    """

    users: NewUsers
    passwords: Passwords
    slots: Slots
    share: AddressShare
    limit: RegistrationLimit
    throttle: Throttle
    now: Callable[[], datetime]

    def register(self, registration: Registration, address: str) -> None:
        """Store the user. A taken name takes as long as a free one: the password is hashed in both cases.

        Raise InvalidAccount, AddressBusy, TooManyRegistrations, Busy, NameTaken, StoreUnavailable or OutcomeUnknown.
        """
        password = validate(registration)
        client = limited_address(address)
        with self.share.hold(client):
            self.limit.count(address)
            with self.slots.hold(client):
                password_hash = self.passwords.hash(password)
        self.users.add(registration.username, password_hash, self.now())
        best_effort("login_address_not_recorded", lambda: self.throttle.remember(registration.username, address))
