"""Floods of registrations, wrong passwords and forged tokens, while other users register, log in and order."""

import base64
import json
import os
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from local_stack.stack import Stack
from support.abuse_site import Site, UnusedAddresses
from support.attacker import Outcome
from support.auth_api import write_key
from support.customer import Customer, https
from support.quiet_user import QuietUser

GUESSES_PER_USER = 100  # limit of guesses in 5 minutes, summed over all addresses from which the user never logged in
REGISTRATIONS_PER_ADDRESS = 300
LOGINS = int(os.environ.get("ABUSE_LOGINS", "100"))
MEMORY_OF_A_HASH_BYTES = 19 * 2**20  # one more thread that hashes would keep so much
AUTH_API_LIMIT_BYTES = 250 * 2**20  # auth-api kept 350 MiB and more when every thread hashed passwords


def resident_bytes(pid: int) -> int:
    """Return the memory of a process and its children."""
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])


@pytest.mark.parametrize("act", [QuietUser.register_friend, QuietUser.log_in], ids=lambda act: act.__name__)
def test_others_are_served_while_one_client_floods_registrations(
    attack: Callable[..., Outcome], site: Site, act: Callable[[QuietUser], httpx.Response]
) -> None:
    """Eight connections register one taken name without pause; up to the limit, each request costs a password hash."""
    body = json.dumps({"username": site.quiet.name, "password": "a long password"})
    register = (
        "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )

    outcome = attack(port=site.auth_port, connections=8, then=register, quiet=partial(act, site.quiet))

    assert outcome.statuses() <= {409, 429, 503}
    assert outcome.ends["429"] > 0
    assert outcome.ends["409"] <= REGISTRATIONS_PER_ADDRESS


@pytest.fixture
def owner(site: Site) -> QuietUser:
    """A new user, whose password nobody has guessed."""
    return QuietUser(f"https://localhost:{site.order_port}", f"https://localhost:{site.auth_port}", site.ca)


def test_owner_can_log_in_while_many_addresses_guess_the_password(
    attack: Callable[..., Outcome], site: Site, owner: QuietUser, stack: Stack
) -> None:
    wrong = base64.b64encode(f"{owner.name}:a wrong password".encode()).decode()
    guess = f"GET /api/token HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {wrong}\r\n\r\n"

    outcome = attack(port=site.auth_port, connections=60, addresses=60, then=guess, quiet=owner.log_in)

    assert outcome.statuses() <= {401, 429, 503}
    assert 0 < outcome.ends["401"] <= GUESSES_PER_USER
    assert resident_bytes(stack.pids["auth-api-0"]) < AUTH_API_LIMIT_BYTES


def test_memory_of_auth_api_stays_flat_over_many_logins(stack: Stack, unused_addresses: UnusedAddresses) -> None:
    """Four users log in at the same time, from an address each. ABUSE_LOGINS sets the number of logins."""
    context = ssl.create_default_context(cafile=stack.ca)
    began, logins, samples = time.monotonic(), 0, []
    with ExitStack() as exits:
        transports = [httpx.HTTPTransport(verify=context, local_address=unused_addresses.take(1)) for _ in range(4)]
        users = [
            Customer(exits.enter_context(https(stack.base_url, stack.ca, transport=transport)))
            for transport in transports
        ]
        pool = exits.enter_context(ThreadPoolExecutor(len(users)))
        while logins < LOGINS:
            logins += sum(pool.map(logs_in, users * (max(20, LOGINS // 20) // len(users))))
            samples.append(resident_bytes(stack.pids["auth-api-0"]))
            print(f"{logins} logins, {time.monotonic() - began:.0f} s, {samples[-1] / 2**20:.1f} MiB")

    assert max(samples) - samples[0] < MEMORY_OF_A_HASH_BYTES, samples


def logs_in(user: Customer) -> bool:
    """Return whether a login succeeded; on a slow machine it may wait for too long."""
    status = user.http.get("/api/token", auth=(user.name, user.password)).status_code
    assert status in {200, 503}
    return status == 200


@pytest.fixture
def new_key(stack: Stack) -> Iterator[str]:
    """Add a signing key of a new name to auth-api, and remove it after the test."""
    folder = Path(stack.ca).parent.parent / "keys"
    assert list(folder.glob("*.pem"))
    name = f"zz-{secrets.token_hex(4)}"  # the last by name; a known name would sign at once
    write_key(folder, name)
    yield name
    (folder / f"{name}.pem").unlink()


@pytest.mark.usefixtures("new_key")
def test_tokens_are_accepted_during_key_rotation_despite_forged_tokens(
    attack: Callable[..., Outcome], site: Site
) -> None:
    """Forged tokens with an unknown key id use up the one key fetch that order-api makes in 30 s.

    New tokens are accepted, because auth-api publishes a new key first and signs with it later.
    """
    header = base64.urlsafe_b64encode(b'{"alg":"EdDSA","typ":"at+jwt","kid":"made-up"}').rstrip(b"=").decode()
    forged = (
        f"GET /orderdetails?orderid=x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {header}.e30.AAAA\r\n\r\n"
    )

    outcome = attack(connections=4, then=forged, quiet=site.quiet.log_in_and_order)

    assert outcome.statuses() <= {401, 429, 503}  # 503: another thread of order-api is fetching the keys
