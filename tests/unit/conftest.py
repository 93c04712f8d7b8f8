"""What several modules' tests begin with."""

import pytest

from fakes.kafka_log import FakeTopic
from support.consumer import ten_events
from support.relay import RelayHarness


@pytest.fixture
def harness() -> RelayHarness:
    """A harness after its publisher's first round."""
    harness = RelayHarness()
    harness.step()
    return harness


@pytest.fixture
def topic() -> FakeTopic:
    return ten_events()
