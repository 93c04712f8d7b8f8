"""Parses bytes into a typed model. Ambiguous JSON is rejected, never interpreted.

msgspec alone keeps the last of duplicate keys, and its Decimal accepts NaN and huge exponents; the standard library
accepts NaN, Infinity and other encodings. So the standard parser, made strict, reads the text, and msgspec converts the
result.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, Self, TypeVar

import msgspec

MAX_DEPTH = 16
MAX_NUMBER_LENGTH = 32
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# For error messages: msgspec's name of each type, and the name that clients know.
JSON_TYPES = {
    "int": "an integer",
    "str": "a string",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
    "decimal": "a number with a fraction",
    "float": "a number with a fraction",
    "NumberWithExponent": "a number with an exponent",
}
T = TypeVar("T")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]')
_PATH = re.compile(r" - at `\$(?P<path>.*)`$")
_FIELD = re.compile(r"(?:unknown|missing required) field `(?P<field>.*)`")
_TYPES = re.compile(r"`([\w| ]+)`")
_STEP = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")


class MalformedJson(ValueError):  # noqa: N818 - a state of the text
    """The bytes are not well-formed JSON by the rules of `loads`; the message says why."""


class NumberWithExponent(Decimal):
    """A number received with an exponent. It is printed with its exponent; Decimal alone prints `1.0e1` as `10`."""

    def __str__(self) -> str:
        return f"{self:E}"


class WholeNumber(int):
    """An integer received with a fraction of zeros, such as `2.0`; it is printed as received."""

    _text: str

    @classmethod
    def read(cls, digits: str) -> Self:
        """Return the whole number that `digits`, such as `2.0`, stand for; the number keeps this text for printing."""
        number = cls(Decimal(digits))
        number._text = digits
        return number

    def __str__(self) -> str:
        return self._text


class InvalidModel(ValueError):  # noqa: N818
    """Well-formed JSON that does not match the model. `pointer` is the JSON pointer (RFC 6901) of the error."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer or 'the document'}: {detail}")
        self.pointer = pointer
        self.detail = detail


def loads(body: bytes) -> Any:
    """Parse UTF-8 JSON; numbers with a fraction become Decimal, those with an exponent NumberWithExponent.

    A whole number such as `2.0` becomes an int that is printed as received. Raise MalformedJson for syntax errors,
    other encodings, lone surrogates, duplicate keys, NaN and Infinity, numbers of more than 32 characters or outside
    Decimal's range, and nesting deeper than 16.
    """
    if not body.strip():
        raise MalformedJson("the body is empty; send a JSON document")
    if body.startswith(BYTE_ORDER_MARK):
        raise MalformedJson("the body starts with a byte order mark; send UTF-8 without one")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedJson("the body is not UTF-8") from None
    _check_depth(text)
    try:
        document = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedJson(f"not valid JSON at line {error.lineno}, column {error.colno}") from None
    if "\\u" in text:
        _check_strings(document)
    return document


def convert(document: Any, model: type[T]) -> T:
    """Return a parsed document as an instance of `model`; raise InvalidModel.

    Values of the project's own types are parsed by the class method `parse` of the type, which raises ValueError.
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
    detail = _PATH.sub("", message)
    if field := _FIELD.search(detail):
        steps.append(field["field"])
    if detail.startswith("Expected "):
        detail = _TYPES.sub(_json_types, detail)
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return InvalidModel(pointer, detail)


def _json_types(names: re.Match[str]) -> str:
    return " or ".join(JSON_TYPES.get(name, name) for name in names[1].split(" | "))


def _check_depth(text: str) -> None:
    """Reject a text that is nested too deeply for the parser, which recurses. Brackets in strings do not count."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        bracket = token.group()
        depth += (bracket in "[{") - (bracket in "]}")
        if depth > MAX_DEPTH:
            raise MalformedJson(f"the body is nested deeper than {MAX_DEPTH} levels")


def _check_strings(value: Any) -> None:
    """Reject a lone surrogate: an escape can put it into a string, but UTF-8 cannot encode it."""
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise MalformedJson("a string contains an unpaired surrogate")
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
        raise MalformedJson("an object contains a duplicate key")
    return members


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise MalformedJson(f"a number is longer than {MAX_NUMBER_LENGTH} characters")
    return int(digits)


def _decimal(digits: str) -> Decimal | WholeNumber:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise MalformedJson(f"a number is longer than {MAX_NUMBER_LENGTH} characters")
    try:
        if "e" in digits.lower():
            return NumberWithExponent(digits)
        return Decimal(digits) if digits.partition(".")[2].strip("0") else WholeNumber.read(digits)
    except InvalidOperation:
        raise MalformedJson("a number is out of range") from None


def _constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not allowed")


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_decimal, parse_constant=_constant
)
