"""Query parameters, cursors and header values."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from order_api import orders, params
from order_api.params import InvalidParameter

moments = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds
ids = st.builds(orders.new_id, moments, st.binary(min_size=10, max_size=10))
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"'), min_size=1)


@given(ids)
def test_cursor_decodes_to_its_order(order_id: str) -> None:
    cursor = params.encode_cursor(order_id)

    assert params.decode_cursor(cursor) == order_id
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?#% ")


@given(st.one_of(st.text(), st.binary(max_size=40).map(lambda b: base64.urlsafe_b64encode(b).decode())))
def test_text_that_is_not_a_cursor_is_rejected(text: str) -> None:
    try:
        order_id = params.decode_cursor(text)
    except InvalidParameter:
        return
    assert params.encode_cursor(order_id) == text


def test_error_of_an_invalid_cursor_names_next_cursor() -> None:
    with pytest.raises(InvalidParameter, match="next_cursor"):
        params.decode_cursor("a+b")


@given(visible)
def test_quotes_around_an_idempotency_key_are_ignored(key: str) -> None:
    assume(len(key) <= 255)

    assert params.parse_idempotency_key(key) == params.parse_idempotency_key(f'"{key}"') == key


@given(st.text())
def test_idempotency_key_is_1_to_255_visible_ascii_characters(text: str) -> None:
    inner = text.strip(" \t")
    inner = inner[1:-1] if len(inner) > 1 and inner[0] == inner[-1] == '"' else inner
    is_good = 1 <= len(inner) <= 255 and all("!" <= c <= "~" and c != '"' for c in inner)

    if is_good:
        assert params.parse_idempotency_key(text) == inner
    else:
        with pytest.raises(InvalidParameter):
            params.parse_idempotency_key(text)
