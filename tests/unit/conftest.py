"""The shop of the outbox tests, after its publisher's first round."""

import pytest

from support.outbox import Shop


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.step()
    return shop
