"""Amounts are parsed exactly, or rejected."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http import strict_json
from shared.ordering import money
from shared.ordering.money import Amount

MOST = 999_999_999_999  # the largest amount in cents: 10 digits and 2 decimals
FORM = re.compile(r"(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?", re.ASCII)
minor_units = st.integers(0, MOST)


@given(minor_units)
def test_amount_survives_round_trip_through_text(minor: int) -> None:
    text = money.text(minor)

    assert Amount.parse(text) == minor
    assert re.fullmatch(r"[0-9]+\.[0-9]{2}", text)


@given(minor_units)
def test_number_and_string_are_parsed_to_the_same_amount(minor: int) -> None:
    text = money.text(minor)

    assert Amount.parse(strict_json.loads(text.encode())) == Amount.parse(f"{text}") == minor


@given(st.integers(0, 9_999_999_999))
def test_whole_number_is_an_amount_in_whole_units(units: int) -> None:
    assert Amount.parse(units) == Amount.parse(str(units)) == units * 100


@given(st.one_of(st.text(), st.from_regex(r"[0-9.,eE+_ -]{1,14}"), st.from_regex(FORM, fullmatch=True)))
def test_only_the_documented_form_is_accepted(text: str) -> None:
    is_good = bool(FORM.fullmatch(text))

    if is_good:
        assert Amount.parse(text) == Decimal(text) * 100
    else:
        with pytest.raises(ValueError, match=r"must be"):
            Amount.parse(text)


@pytest.mark.parametrize(
    "value",
    [
        *[True, False, None, 12.5, float("nan"), [], {}, {"$ne": None}, b"1"],
        *["", " 1", "1 ", "1\n", "+1", "-1", "01", "1.", ".5", "1.234", "1,5", "1_000", "1e3", "NaN", "Infinity", "٣"],
        *["-0", "-0.00", -1, Decimal("-0"), Decimal("NaN"), Decimal("1e99999999"), Decimal("0.001"), 10**10],
    ],
)
def test_anything_but_a_plain_nonnegative_decimal_is_rejected(value: Any) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        Amount.parse(value)
