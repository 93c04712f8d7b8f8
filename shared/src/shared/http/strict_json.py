"""One strict way from bytes to a typed model: what JSON leaves open is refused, not guessed.

msgspec alone keeps the last of duplicate keys, and its Decimal takes NaN and huge exponents; the standard library
takes NaN, Infinity and any encoding. So the standard parser reads, with every loose end closed, and msgspec converts.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeVar

import msgspec

MAX_DEPTH = 16
MAX_NUMBER_LENGTH = 32
T = TypeVar("T")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]')
_PATH = re.compile(r" - at `\$(?P<path>.*)`$")
_FIELD = re.compile(r"(?:unknown|missing required) field `(?P<field>.*)`")
_STEP = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")


class MalformedJson(ValueError):  # noqa: N818 - read as a state of the text
    """The bytes are no well-formed JSON by our rules; the message says why."""


class NumberWithExponent(Decimal):
    """A number that was sent with an exponent, and is written with one: Decimal alone writes `1.0e1` as `10`."""

    def __str__(self) -> str:
        return f"{self:E}"


class InvalidModel(ValueError):  # noqa: N818
    """Well-formed JSON that the model refuses. `pointer` is the JSON pointer (RFC 6901) of the place."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer or 'the document'}: {detail}")
        self.pointer = pointer
        self.detail = detail


def loads(body: bytes) -> Any:
    """Parse UTF-8 JSON; numbers with a fraction become Decimal, those with an exponent NumberWithExponent.

    Raise MalformedJson besides syntax errors for: other encodings, lone surrogates, duplicate keys, NaN and Infinity,
    numbers of more than 32 characters or beyond what Decimal can hold, and nesting deeper than 16.
    """
    if not body.strip():
        raise MalformedJson("the body is empty: send a JSON document")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedJson("the body is not UTF-8") from None
    _check_depth(text)
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise MalformedJson(f"the body is no JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    if "\\u" in text:
        _check_strings(document)
    return document


def convert(document: Any, model: type[T]) -> T:
    """Make the typed `model` of a parsed document; raise InvalidModel.

    A type of its own is made by its class method `parse`, which raises ValueError.
    """
    try:
        return msgspec.convert(document, model, dec_hook=_custom)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _custom(kind: type, value: Any) -> Any:
    parse = getattr(kind, "parse", None)
    if parse is None:
        raise NotImplementedError(kind)
    return parse(value)


def _invalid(message: str) -> InvalidModel:
    path = _PATH.search(message)
    steps = [a or b for a, b in _STEP.findall(path["path"])] if path else []
    detail = _PATH.sub("", message).replace(NumberWithExponent.__name__, "number with exponent")
    if field := _FIELD.search(detail):
        steps.append(field["field"])
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return InvalidModel(pointer, detail)


def _check_depth(text: str) -> None:
    """Count brackets outside strings before the parser recurses over them."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        bracket = token.group()
        depth += (bracket in "[{") - (bracket in "]}")
        if depth > MAX_DEPTH:
            raise MalformedJson(f"the body is nested deeper than {MAX_DEPTH} levels")


def _check_strings(value: Any) -> None:
    """Refuse what an escape can smuggle into a string: half of a surrogate pair, which no UTF-8 can hold."""
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise MalformedJson("a string holds half of a surrogate pair")
    elif isinstance(value, dict):
        for key, member in value.items():
            _check_strings(key)
            _check_strings(member)
    elif isinstance(value, list):
        for member in value:
            _check_strings(member)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJson("an object has the same key twice")
    return members


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise MalformedJson(f"a number is longer than {MAX_NUMBER_LENGTH} characters")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise MalformedJson(f"a number is longer than {MAX_NUMBER_LENGTH} characters")
    try:
        return NumberWithExponent(digits) if "e" in digits.lower() else Decimal(digits)
    except InvalidOperation:
        raise MalformedJson("a number is out of range") from None


def _constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is no JSON number")
