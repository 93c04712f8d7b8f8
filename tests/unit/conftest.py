"""What several modules' tests begin with."""

import pytest

from fakes.kafka_log import Topic
from support.member import ten_events
from support.outbox import Shop


@pytest.fixture
def shop() -> Shop:
    """A shop after its publisher's first round."""
    shop = Shop()
    shop.step()
    return shop


@pytest.fixture
def topic() -> Topic:
    return ten_events()
