"""Fixtures: signing keys that are read from a folder, which is empty at first."""

from pathlib import Path

import pytest

from auth_api.signing_keys import SigningKeys
from fakes.auth import FakeKeyRecords
from support.auth_api import CACHE_SECONDS
from support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(clock: Clock) -> FakeKeyRecords:
    return FakeKeyRecords(clock)


@pytest.fixture
def keys(tmp_path: Path, clock: Clock, records: FakeKeyRecords) -> SigningKeys:
    return SigningKeys(tmp_path, records.publish, cache_seconds=CACHE_SECONDS, clock=clock.seconds)
