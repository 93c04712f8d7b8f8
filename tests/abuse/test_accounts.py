"""Floods of registrations, guesses and made-up tokens, while others register, log in and use new tokens."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local_stack.stack import Stack
from support.abuse_site import Site
from support.attacker import Outcome
from support.auth_api import write_key

GUESSES_PER_USER = 100  # in 5 minutes, from all addresses that are new to the user
REGISTRATIONS_PER_ADDRESS = 300
AUTH_API_LIMIT_BYTES = 250 * 2**20  # 350 MiB and more stayed when each of its threads hashed


def resident_bytes(pid: int) -> int:
    """Return the memory of a process and its children."""
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])


def test_registrations_of_one_client_leave_room_for_others(attack: Callable[..., Outcome], site: Site) -> None:
    """8 connections; a taken name costs as much as a free one."""
    body = json.dumps({"username": site.quiet.name, "password": "a long password"})
    register = (
        "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )

    outcome = attack(
        port=site.auth_port, connections=8, then=register, quiet=site.quiet.register_friend, may_be_busy=True
    )

    assert outcome.statuses() <= {409, 429, 503}
    assert outcome.ends["429"] > 0
    assert outcome.ends["409"] <= REGISTRATIONS_PER_ADDRESS


def test_guesses_from_many_addresses_do_not_lock_the_owner_out(
    attack: Callable[..., Outcome], site: Site, stack: Stack
) -> None:
    wrong = base64.b64encode(f"{site.quiet.name}:a wrong password".encode()).decode()
    guess = f"GET /api/token HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {wrong}\r\n\r\n"

    outcome = attack(
        port=site.auth_port, connections=60, addresses=60, then=guess, quiet=site.quiet.log_in, may_be_busy=True
    )

    assert outcome.statuses() <= {401, 429, 503}
    assert 0 < outcome.ends["401"] <= GUESSES_PER_USER
    assert resident_bytes(stack.pids["auth-api-0"]) < AUTH_API_LIMIT_BYTES


@pytest.fixture
def new_key(stack: Stack) -> Iterator[str]:
    """A signing key that is added, and removed afterwards."""
    folder = Path(stack.ca).parent.parent / "keys"
    assert list(folder.glob("*.pem"))
    write_key(folder, "zz-new")
    yield "zz-new"
    (folder / "zz-new.pem").unlink()


@pytest.mark.usefixtures("new_key")
def test_made_up_keys_do_not_break_tokens_during_a_rotation(attack: Callable[..., Outcome], site: Site) -> None:
    """Made-up keys use up the one fetch that order-api makes in 30 s: a key that signed at once would be unknown."""
    header = base64.urlsafe_b64encode(b'{"alg":"EdDSA","typ":"at+jwt","kid":"made-up"}').rstrip(b"=").decode()
    forged = (
        f"GET /orderdetails?orderid=x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {header}.e30.AAAA\r\n\r\n"
    )

    outcome = attack(connections=4, then=forged, quiet=site.quiet.log_in_and_order)

    assert outcome.statuses() <= {401, 429, 503}  # 503: another made-up key is being looked up
