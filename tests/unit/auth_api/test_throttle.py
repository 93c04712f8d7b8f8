"""The limits of login attempts and of registrations, with counts that a fake keeps in memory."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from auth_api.throttle import (
    KNOWN_FOR,
    MAX_FROM_NEW_ADDRESSES,
    MAX_PER_USER,
    MAX_PER_USER_AND_ADDRESS,
    Attempt,
    RegistrationLimit,
    Throttle,
    TooManyFailures,
    TooManyRegistrations,
    limits_for,
)
from fakes.auth import FakeFailures
from support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(FakeFailures(clock))


def raise_connection_error(*_: object) -> None:
    raise ConnectionError


def taken(throttle: Throttle, attempts: list[tuple[str, str]]) -> int:
    """Begin an attempt for each pair of user and address; return how many attempts the throttle allowed."""
    count = 0
    for user, address in attempts:
        try:
            throttle.begin(user, address, is_known=throttle.is_known(user, address))
        except TooManyFailures:
            continue
        count += 1
    return count


def test_pair_of_user_and_address_is_limited_to_10_failures(throttle: Throttle) -> None:
    assert taken(throttle, [("alice", "192.0.2.1")] * 12) == 10
    assert taken(throttle, [("alice", "192.0.2.2"), ("bob", "192.0.2.1")]) == 2


def test_address_is_limited_to_100_failures(throttle: Throttle) -> None:
    assert taken(throttle, [(f"user{n}", "192.0.2.1") for n in range(120)]) == 100
    assert taken(throttle, [("user1", "192.0.2.2")]) == 1


def test_user_is_limited_to_100_failures(throttle: Throttle) -> None:
    assert taken(throttle, [("alice", f"192.0.2.{n}") for n in range(120)]) == 100
    assert taken(throttle, [("bob", "192.0.2.1")]) == 1


def test_rejected_attempt_is_not_counted(throttle: Throttle) -> None:
    taken(throttle, [("alice", "192.0.2.1")] * 200)

    assert taken(throttle, [(f"user{n}", "192.0.2.1") for n in range(90)]) == 90


def test_attempt_is_removed_if_counting_it_fails(throttle: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FakeFailures, "read", raise_connection_error)
        for _ in range(10):
            with pytest.raises(ConnectionError):
                throttle.begin("alice", "192.0.2.1", is_known=False)

    assert taken(throttle, [("alice", "192.0.2.1")] * 12) == 10


def test_oldest_attempts_expire_when_retry_after_has_passed(throttle: Throttle, clock: Clock) -> None:
    taken(throttle, [("alice", "192.0.2.1")] * 5)
    clock.advance(seconds=100)
    taken(throttle, [("alice", "192.0.2.1")] * 5)

    with pytest.raises(TooManyFailures) as caught:
        throttle.check("alice", "192.0.2.1", is_known=False)
    assert caught.value.retry_after == 200
    clock.advance(seconds=caught.value.retry_after)
    throttle.check("alice", "192.0.2.1", is_known=False)
    assert taken(throttle, [("alice", "192.0.2.1")] * 9) == 5


def test_discarded_attempt_is_not_counted(throttle: Throttle) -> None:
    for _ in range(30):
        throttle.discard(throttle.begin("alice", "192.0.2.1", is_known=False))

    assert taken(throttle, [("alice", "192.0.2.1")] * 12) == 10


def test_check_counts_no_attempt(throttle: Throttle) -> None:
    for _ in range(30):
        throttle.check("alice", "192.0.2.1", is_known=False)

    assert taken(throttle, [("alice", "192.0.2.1")]) == 1


def test_parallel_guesses_do_not_exceed_the_limit(throttle: Throttle) -> None:
    def guess(_: int) -> Attempt | None:
        try:
            return throttle.begin("alice", "192.0.2.1", is_known=False)
        except TooManyFailures:
            return None

    with ThreadPoolExecutor(16) as pool:
        attempts = list(pool.map(guess, range(200)))

    assert sum(a is not None for a in attempts) == 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("no address", "no address", True),
        ("", "192.0.2.1", False),
    ],
)
def test_limits_count_ipv6_addresses_by_their_first_64_bits(one: str, other: str, same: bool) -> None:
    assert (limits_for("alice", one)[1].key == limits_for("alice", other)[1].key) is same


def test_limit_keys_are_distinct_hashes_of_fixed_length() -> None:
    keys = [
        limit.key for pair in [("a", "b"), ("b", "a"), ("a\0b", ""), ("x" * 9000, "b")] for limit in limits_for(*pair)
    ]

    assert len(set(keys)) == 4 + 3 + 4 + 1  # keys of 4 pairs, 3 addresses, 4 users, and the key of all new addresses
    assert {len(key) for key in keys} == {64}


STRANGERS = [f"192.0.2.{n}" for n in range(20)]


def test_known_address_can_log_in_after_others_exhaust_the_limit(throttle: Throttle) -> None:
    throttle.remember("alice", "198.51.100.1")
    guesses = taken(throttle, [("alice", address) for address in STRANGERS for _ in range(10)])

    assert guesses == MAX_PER_USER
    assert taken(throttle, [("alice", "198.51.100.1")]) == 1
    assert taken(throttle, [("alice", "198.51.100.2")]) == 0


def test_known_address_is_limited_to_10_failures(throttle: Throttle) -> None:
    throttle.remember("alice", "198.51.100.1")

    assert taken(throttle, [("alice", "198.51.100.1")] * 12) == MAX_PER_USER_AND_ADDRESS


def test_address_known_only_for_another_user_is_limited(throttle: Throttle) -> None:
    throttle.remember("mallory", "192.0.2.200")
    taken(throttle, [("alice", address) for address in STRANGERS for _ in range(10)])

    assert taken(throttle, [("alice", "192.0.2.200")]) == 0


def test_guesses_across_many_users_and_addresses_are_limited(throttle: Throttle) -> None:
    throttle.remember("alice", "198.51.100.1")
    spray = [(f"user{n}", f"203.0.113.{n % 60}") for n in range(6_000)]

    assert taken(throttle, spray) == MAX_FROM_NEW_ADDRESSES
    assert taken(throttle, [("alice", "198.51.100.1")]) == 1
    assert taken(throttle, [("bob", "198.51.100.1")]) == 0


def test_address_is_known_for_30_days(throttle: Throttle, clock: Clock) -> None:
    throttle.remember("alice", "198.51.100.1")
    taken(throttle, [("alice", address) for address in STRANGERS for _ in range(10)])
    clock.advance(seconds=KNOWN_FOR.total_seconds() - 1)
    taken(throttle, [("alice", address) for address in STRANGERS for _ in range(10)])
    is_taken_before = taken(throttle, [("alice", "198.51.100.1")]) == 1
    clock.advance(seconds=1)

    assert is_taken_before
    assert taken(throttle, [("alice", "198.51.100.1")]) == 0


def test_registrations_from_one_address_are_limited(clock: Clock) -> None:
    failures = FakeFailures(clock)
    one, other = RegistrationLimit(failures, 3), RegistrationLimit(failures, 3)
    for limit in (one, other, one):
        limit.count("192.0.2.1")
    clock.advance(seconds=100)

    with pytest.raises(TooManyRegistrations) as rejection:
        other.count("192.0.2.1")
    assert rejection.value.retry_after == 200
    other.count("192.0.2.2")
    clock.advance(seconds=200)
    other.count("192.0.2.1")
