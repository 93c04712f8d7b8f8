"""Fixtures that tests of several packages share."""

import pytest

from fakes.kafka_log import FakeTopic
from support.consumer import ten_events
from support.relay import RelayHarness


@pytest.fixture
def harness() -> RelayHarness:
    """A RelayHarness whose relay has run once."""
    harness = RelayHarness()
    harness.step()
    return harness


@pytest.fixture
def topic() -> FakeTopic:
    return ten_events()
