"""From bytes to a typed model: malformed and ambiguous JSON is rejected."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.http.strict_json import MAX_DEPTH, MAX_NUMBER_LENGTH, InvalidModel, MalformedJson, convert, loads
from shared.ordering.money import Amount

scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(st.characters(exclude_categories=["Cs"]))
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


def depth(document: Any) -> int:
    if isinstance(document, list | dict):
        members = document.values() if isinstance(document, dict) else document
        return 1 + max(map(depth, members), default=0)
    return 0


@given(document=documents, ascii_only=st.booleans())
def test_well_formed_json_survives_a_round_trip(document: Any, *, ascii_only: bool) -> None:
    assume(depth(document) <= MAX_DEPTH)

    assert loads(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_malformed_json(body: bytes) -> None:
    try:
        document = loads(body)
    except MalformedJson:
        return
    assert depth(document) <= MAX_DEPTH
    json.loads(body.decode())


@given(st.integers(1, 40), st.sampled_from(["[]", "{}"]), st.text("[]{}", max_size=30))
def test_depth_limit_ignores_brackets_in_strings(levels: int, kind: str, text: str) -> None:
    opening, closing = ('{"a":', "}") if kind == "{}" else ("[", "]")
    body = (opening * levels + json.dumps(text) + closing * levels).encode()

    if levels <= MAX_DEPTH:
        assert depth(loads(body)) == levels
    else:
        with pytest.raises(MalformedJson, match="deeper"):
            loads(body)


@pytest.mark.parametrize(
    "body",
    [
        *[b"", b" \n", b"{", b"[1,]", b"{'a': 1}", b"{} x", b"01", b".5", b"+1", b"0x1", b"// c\n1", b"\xef\xbb\xbf1"],
        *[b"NaN", b"Infinity", b"-Infinity", b'{"a": NaN}', b'{"a": 1, "a": 1}', b'[{"b": {"a": 1, "\\u0061": 2}}]'],
        *[b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\\ud800"', b'{"\\udfff": 1}', '"ä"'.encode("latin-1")],
        *["{}".encode("utf-16"), "{}".encode("utf-32"), b"[" * 100_000, b'{"a":' * 100_000, b'"\n"', b'"\\x"'],
        *[b"1" * (MAX_NUMBER_LENGTH + 1), b"0." + b"1" * MAX_NUMBER_LENGTH, b"1e" + b"9" * MAX_NUMBER_LENGTH],
        *[b"1e1000000000000000000", b"0e99999999999999999999"],
    ],
)
def test_malformed_json_is_rejected(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        loads(body)


def test_surrogate_pair_is_one_character() -> None:
    assert loads(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_fractions_are_parsed_as_decimals() -> None:
    assert loads(b"[0.1, 1e2, 12345678901234567890.123456789]") == [
        Decimal("0.1"),
        Decimal(100),
        Decimal("12345678901234567890.123456789"),
    ]


@pytest.mark.parametrize("digits", ["1E2", "1.0E1", "1e0", "12.50e0", "1250e-2", "0.5e+1"])
def test_number_with_exponent_is_rejected_as_amount_and_integer(digits: str) -> None:
    number = loads(digits.encode())

    assert number == Decimal(digits)
    with pytest.raises(InvalidModel, match="no exponent"):
        convert(number, Amount)
    with pytest.raises(InvalidModel, match="Expected an integer, got a number with an exponent"):
        convert(number, int)


class Line(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    price: Amount | None = None


class Basket(msgspec.Struct, forbid_unknown_fields=True):
    lines: list[Line]
    total: Amount


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([], ""),
        ({"lines": []}, "/total"),
        ({"lines": [], "total": "x"}, "/total"),
        ({"lines": [], "total": 1, "a/b~c": 1}, "/a~1b~0c"),
        ({"lines": [{"name": "a"}, {"name": 7}], "total": 1}, "/lines/1/name"),
        ({"lines": [{"name": "a", "price": "-1"}], "total": 1}, "/lines/0/price"),
        ({"lines": [{"price": 1}], "total": 1}, "/lines/0/name"),
        ({"lines": {"$ne": None}, "total": 1}, "/lines"),
    ],
)
def test_validation_error_has_a_json_pointer(document: Any, pointer: str) -> None:
    with pytest.raises(InvalidModel) as rejection:
        convert(document, Basket)

    assert rejection.value.pointer == pointer


def test_valid_document_is_converted_to_its_model() -> None:
    assert convert({"lines": [{"name": "a", "price": 1}], "total": "1.5"}, Basket) == Basket(
        [Line("a", Amount(100))], Amount(150)
    )


@given(documents)
def test_random_document_raises_only_invalid_model(document: Any) -> None:
    try:
        convert(document, Basket)
    except InvalidModel:
        return
    pytest.fail("a random document was accepted as a basket")


class Counted(msgspec.Struct):
    count: int = 1
    items: list[str | Line] = []


@pytest.mark.parametrize("digits", ["2.0", "2.000", "2"])
def test_whole_number_with_zero_fraction_is_an_integer(digits: str) -> None:
    number = loads(f'{{"count": {digits}}}'.encode())

    assert convert(number, Counted).count == 2
    assert str(number["count"]) == digits


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"count": 2.5}', "/count: Expected an integer, got a number with a fraction"),
        (b'{"count": "2"}', "/count: Expected an integer, got a string"),
        (b'{"count": null}', "/count: Expected an integer, got null"),
        (b'{"items": [1]}', "/items/0: Expected a string or an object, got an integer"),
        (b"[]", "the document: Expected an object, got an array"),
    ],
)
def test_type_errors_use_json_terms(body: bytes, detail: str) -> None:
    with pytest.raises(InvalidModel) as failure:
        convert(loads(body), Counted)

    assert str(failure.value) == detail


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"\xef\xbb\xbf{}", "the body starts with a byte order mark; send UTF-8 without one"),
        (b'{"a": 1 "b"}', "not valid JSON at line 1, column 9"),
        (b"{} {}", "not valid JSON at line 1, column 4"),
    ],
)
def test_syntax_errors_are_explained_in_plain_words(body: bytes, sentence: str) -> None:
    with pytest.raises(MalformedJson) as failure:
        loads(body)

    assert str(failure.value).startswith(sentence[:40])
    assert "utf-8-sig" not in str(failure.value)
