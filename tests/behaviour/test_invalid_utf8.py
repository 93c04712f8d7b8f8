"""A document with invalid UTF-8 does not hide other documents of its collection: auth-api and order-processor.

The driver cannot decode such a text by default, so one document would make a whole read fail.
"""

import secrets

import pytest
from prometheus_client import CollectorRegistry

from auth_api.passwords import Passwords, UnusableHash
from auth_api.store import MongoUsers
from local_stack.stack import Stack
from shared import key_records
from shared.key_records import KeyRecords
from shared.ordering import schema
from shared.ordering.status import Status
from shared.ordering.transitions import OrderTransitions
from shared.resilience.breaker import Breaker
from shared.resilience.outage import bisect
from shared.telemetry.metrics import BreakerMetrics
from support.auth_api import CHEAP
from support.handler import PLACED_AT, document
from support.order_stores import invalid_utf8, new_breaker
from support.servers import database


def test_password_hash_with_invalid_utf8_is_read_and_unusable(servers: Stack) -> None:
    name = f"u{secrets.token_hex(8)}"
    with database(servers, "auth-api") as own, database(servers, "admin") as admin:
        admin["users"].insert_one(invalid_utf8({"_id": name, "password_hash": "é"}))
        stored = MongoUsers(own, new_breaker()).password_hash(name)

    with pytest.raises(UnusableHash):
        Passwords(**CHEAP).verify(stored, "a password")


def test_key_record_with_an_invalid_id_does_not_hide_the_others(servers: Stack) -> None:
    kid, invalid = secrets.token_hex(8), invalid_utf8({"_id": "é"})
    with database(servers, "auth-api") as own, database(servers, "admin") as admin:
        admin[key_records.COLLECTION].insert_one(invalid)
        try:
            records = KeyRecords(own, Breaker("mongodb", BreakerMetrics(CollectorRegistry()))).publish([kid])
        finally:
            admin[key_records.COLLECTION].delete_one(invalid)

    assert not records[kid].is_revoked


def test_orders_with_invalid_utf8_are_read_with_the_others(servers: Stack) -> None:
    other, failed, nameless = (f"{first}{secrets.token_hex(12)}" for first in "tté")
    history = [{"status": "FAILED", "at": PLACED_AT, "by": "x", "reason": "é"}]
    with database(servers, "order-processor") as own, database(servers, "admin") as admin:
        schema.ensure(admin[schema.COLLECTION])
        for added in (document(other), document(failed, status="FAILED", history=history), document(nameless)):
            admin[schema.COLLECTION].insert_one(invalid_utf8(added), bypass_document_validation=True)
        try:
            orders = OrderTransitions(own, new_breaker())
            found = orders.without_outbox_entry(limit=1000, stuck=False)
            rejected = bisect([one for one in found if one == other or not one.isascii()], orders.requeue)
            states = orders.states([other, failed])
            stored = admin[schema.COLLECTION].find_one({"_id": other})
        finally:
            admin[schema.COLLECTION].delete_many({"placed_at": PLACED_AT})

    assert [type(error) for _, error in rejected] == [UnicodeEncodeError]
    assert {order_id: state.status for order_id, state in states.items()} == {
        other: Status.PLACED,
        failed: Status.FAILED,
    }
    assert stored is not None
    assert "outbox" in stored
